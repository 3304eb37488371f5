"""What a JPEG file says about its picture: tables, quantization constraint, chroma."""
