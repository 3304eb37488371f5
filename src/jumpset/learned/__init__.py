"""Trained smoothers: networks that smooth an image in one pass."""

from jumpset.learned.architectures import SIZES as SIZES
from jumpset.learned.architectures import build as build
from jumpset.learned.deep_wls import DeepWLS as DeepWLS
from jumpset.learned.dejpeg import DeJPEG as DeJPEG
from jumpset.learned.jess_net import JESSNet as JESSNet
from jumpset.learned.jumpset_net import JumpsetNet as JumpsetNet
from jumpset.learned.resnet import ResNet as ResNet
from jumpset.learned.vdcnn import VDCNN as VDCNN
from jumpset.learned.weights import load_weights as load_weights
from jumpset.learned.weights import model_card as model_card
from jumpset.learned.weights import save_weights as save_weights
