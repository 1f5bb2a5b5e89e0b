"""The signed repository of models (TUF) and its rollout channels, as devices and operators read them."""
