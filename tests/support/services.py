"""Settings of a daemon on drawn scenes without a broker, for tests that run it in their own process."""

from appliance.settings.schema import CameraSettings, DeviceSettings, MqttSettings, Settings

SETTINGS = Settings(
    device=DeviceSettings(id="t"),
    camera=CameraSettings(source="scene"),
    mqtt=MqttSettings(host="127.0.0.1", port=1),
)
