"""Test which link can carry a picture, on links with known speed and delay."""

from appliance.messaging.mqtt.link_speed import LinkSpeed

PICTURE = 30_000


class Link:
    """A link that delivers in order, with a speed and a delay."""

    def __init__(self, bytes_per_s, delay_s=0.02):
        self.bytes_per_s, self.delay_s = bytes_per_s, delay_s
        self.speed = LinkSpeed()
        self.now_s = 0.0
        self.speed.handle_connect()

    def send(self, *sizes, large=False):
        """Send messages in one go, and let the broker acknowledge each."""
        sent = [(self.speed.note_sent(size, self.now_s, large=large), size) for size in sizes]
        began_s, done = self.now_s, 0
        for position, size in sent:
            done += size
            self.now_s = began_s + self.delay_s + done / self.bytes_per_s
            self.speed.note_answer(position, began_s, self.now_s)

    def carries(self, size=PICTURE):
        return self.speed.can_carry(size, self.now_s)


def test_nothing_large_before_the_first_acknowledgment():
    assert not Link(1e6).carries()


def test_fast_link_carries_pictures_also_with_a_long_delay():
    for delay_s in (0.001, 0.6):
        link = Link(1e6, delay_s)
        link.send(100, 300)
        assert link.carries()
        link.send(PICTURE, 400, large=True)
        assert link.carries()


def test_thin_link_carries_none_after_the_first_burst():
    link = Link(1500)
    link.send(300, 400, 9000)
    assert not link.carries()
    for _ in range(20):
        link.send(400)
        assert not link.carries()
    assert link.carries(200) is False


def test_thin_link_that_lets_small_messages_through_at_once():
    link = Link(1500)
    link.send(9000)
    link.bytes_per_s = 1e6
    link.send(400)
    assert not link.carries()
    link.send(5000)
    assert link.carries()


def test_slow_link_is_probed_again_less_and_less_often():
    link = Link(1500)
    link.send(9000)
    pauses_s = []
    for _ in range(5):
        began_s = link.now_s
        while not link.carries():
            link.now_s += 10
            link.send(100)
        pauses_s.append(link.now_s - began_s)
        link.speed.note_sent(PICTURE, link.now_s, large=True)
        link.speed.handle_disconnect(link.now_s + 20)
        link.speed.handle_connect()
        link.now_s += 20
    assert [round(pause_s / 300) for pause_s in pauses_s] == [1, 2, 4, 8, 12]
