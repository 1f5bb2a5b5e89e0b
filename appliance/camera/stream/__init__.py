"""USB cameras, network cameras and video files, through PyAV."""
