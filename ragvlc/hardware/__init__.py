"""Cost of a model on a device: model sizes, devices, and seconds of forward passes by a roofline model."""
