"""Image files: lossless reading and writing of PNG, JPEG, WebP, TIFF and NumPy arrays."""

from jumpset._core.files import atomic_write as atomic_write
from jumpset._core.files import check_writable as check_writable
from jumpset.io._palette import write_palette as write_palette
from jumpset.io._picture import Picture as Picture
from jumpset.io._picture import PictureWarning as PictureWarning
from jumpset.io._read_write import check_can_hold as check_can_hold
from jumpset.io._read_write import read_picture as read_picture
from jumpset.io._read_write import write_picture as write_picture
from jumpset.io._windows import Raster as Raster
from jumpset.io._windows import open_raster as open_raster
from jumpset.io._write_windows import raster_format as raster_format
from jumpset.io._write_windows import write_raster as write_raster
