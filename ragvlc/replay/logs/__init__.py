"""Sample logs and prediction files of other evaluation tools."""
