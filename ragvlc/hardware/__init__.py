"""What a model costs on a device: shapes of models, devices, and seconds of forward passes by a roofline."""
