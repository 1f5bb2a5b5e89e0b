"""The dataset on the device: pictures that were taken or filed for teaching, with their labels."""
