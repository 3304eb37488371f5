"""What a JPEG file says about its image: tables, quantization constraint, chroma."""

from jumpset.jpeg.chroma import ChromaSubsampling as ChromaSubsampling
from jumpset.jpeg.constraint import QuantizationConstraint as QuantizationConstraint
from jumpset.jpeg.estimate import estimate_tables as estimate_tables
from jumpset.jpeg.observation import JPEGObservation as JPEGObservation
from jumpset.jpeg.tables import JPEGTables as JPEGTables
from jumpset.jpeg.tables import jpeg_tables as jpeg_tables
