import pytest
from tests.browser.test_every_page import *
from tests.browser.visits import SPANNING
from django.urls import reverse

for n in list(globals()):
    if n.startswith("test_"): del globals()[n]

@pytest.mark.browser
def test_mine(showcase, new_page, live_server):
    page = new_page(color_scheme="light", viewport=DESK)
    faults = []
    for i, visit in enumerate(SPANNING):
        faults += [f"{visit}: {fault}" for fault in look(page, visit, showcase, live_server.url)]
        page.emulate_media(color_scheme="dark" if i % 3 == 0 else "light")
        page.set_viewport_size({"width": 390 if i % 2 else 1280, "height": 900})
        page.screenshot(path=f"/tmp/s3_shots/{i:02d}.png", full_page=True)
    assert not faults, "\n".join(faults)
