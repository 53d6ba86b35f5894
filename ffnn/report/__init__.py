"""Reports: figures made from run directories."""
