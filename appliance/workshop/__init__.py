"""The operator's side: from a folder of pictures to a model bundle (dataset → train → evaluate → publish).

The daemon never imports it. Each module is imported where it is used, because they stand on packages that only an
operator installs: ``dataset`` reads pictures with labels, ``train`` makes a bundle of them, ``evaluate`` judges one.
"""
