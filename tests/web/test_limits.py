"""The greatest sizes of bodies."""

from appliance.web.limits import MAX_PICTURE_BODY, MAX_PREDICT_BODY, find_body_limit


def test_each_path_has_its_limit():
    assert find_body_limit("POST", "/api/model", 5) == 5
    assert find_body_limit("POST", "/api/model/try", 5) == MAX_PICTURE_BODY
    assert find_body_limit("POST", "/v1/models/a:predict", 5) == MAX_PREDICT_BODY
    assert find_body_limit("POST", "/api/dataset/import", 5) == 5
    assert find_body_limit("PATCH", "/api/dataset/pictures", 5) == find_body_limit("DELETE", "/api/dataset/pictures", 5)
    assert find_body_limit("PATCH", "/api/dataset/pictures", 5) > 2000 * 70  # as many ids as one request may have
    assert find_body_limit("PUT", "/api/model", 5) == find_body_limit("GET", "/", 5) == 65_536
