"""What is told of downloads from a real registry."""

from __future__ import annotations

import pytest

from maelstrom_container.images.downloads import Download
from tests.integration.images.common import IMAGE, is_first_layer, whole
from tests.support.registry import Reply, Request, between

SIZE = sum(len(blob.data) for blob in IMAGE.layer_blobs)


@pytest.mark.parametrize("strip", [(), ("Range",)], ids=["continued", "begun again"])
def test_nothing_is_counted_twice_of_a_download_that_broke_off(registry, repository, images, strip):
    whole_layer = len(IMAGE.layer_blobs[0].data)
    cuts = iter([whole_layer // 3, whole_layer // 2])

    def break_off(request: Request, reply: Reply) -> Reply:
        if is_first_layer(request) and (cut := next(cuts, None)) is not None:
            reply.send = cut
        return reply

    told: list[Download] = []
    with between(registry, break_off, strip=strip) as proxy, images(watch=told.append) as store:
        store.realise(whole(proxy.address, repository))
        assert len(proxy.asked_for(IMAGE.layer_blobs[0].digest)) == 3
    assert {download.size for download in told} == {SIZE}
    read = [download.read for download in told]
    assert read == sorted(read)
    assert told[-1] == Download(f"docker://{proxy.address}/{repository}", 3, 3, SIZE, SIZE, over=True)


def test_nothing_is_told_where_nothing_is_downloaded(registry, repository, images):
    told: list[Download] = []
    for _ in range(2):
        with images(watch=told.append) as store:
            store.realise(whole(registry, repository))
    assert [download.over for download in told].count(True) == 1
