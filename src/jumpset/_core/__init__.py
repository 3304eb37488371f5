"""What every other package may import: types, checks, errors, arrays, files."""
