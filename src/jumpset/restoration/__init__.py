"""Restoration: an image from indirect data, by any operator and any prior."""

from jumpset.restoration.noise import data_noise as data_noise
from jumpset.restoration.plug_and_play import PlugAndPlay as PlugAndPlay
from jumpset.restoration.priors import PRIORS as PRIORS
from jumpset.restoration.priors import Automatic as Automatic
from jumpset.restoration.restore import restore as restore
