"""The space that stays free."""

import pytest

from appliance.errors import TeachingError
from appliance.teaching.space import require_free_disk


def test_full_disk_is_refused_before_anything_is_written(tmp_path):
    require_free_disk(tmp_path / "not" / "yet", 1, 0)
    with pytest.raises(TeachingError, match="free disk space") as caught:
        require_free_disk(tmp_path / "not" / "yet", 1, 10**18)
    assert caught.value.status == 507
