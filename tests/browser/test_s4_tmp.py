import os
from pathlib import Path
import pytest
from tests.browser.test_every_page import *  # noqa
from tests.browser.test_every_page import showcase, look, arrive, DESK
from tests.browser import visits, tenancy
from tests.browser.visits import Visit
del test_every_page_is_for_everybody, test_axe_and_the_ruler_see_what_is_wrong, test_every_url_is_visited_or_is_no_page
MINE = (*visits.TENANTS, *[v for v in visits.SANDBOX if v.name == "sandbox:tenants"], Visit("tenants:detail", of=visits.acme), Visit("tenants:detail", "pia", of=lambda w: (w.people["pia"].customers.get().pk,)))
OUT = os.environ.get("S4_OUT")

@pytest.mark.browser
def test_mine(showcase, new_page, live_server):
    page = new_page(color_scheme="light", viewport=DESK)
    faults = []
    only = os.environ.get("S4_ONLY", "")
    tenancy.make_tenancy(showcase)
    for n, visit in enumerate(MINE):
        if only and only not in str(visit):
            continue
        found = list(look(page, visit, showcase, live_server.url))
        faults += [f"{visit}: {f}" for f in found]
        if OUT:
            name = f"{n:02}-{visit.name.replace(':','-')}-{(visit.note or visit.query)[:12].replace('?','').replace('&','_').replace('=','-').replace(' ','_')}"
            for size, scheme in (((1280, 800), "light"), ((390, 844), "dark")):
                page.set_viewport_size({"width": size[0], "height": size[1]})
                page.emulate_media(color_scheme=scheme)
                page.screenshot(path=Path(OUT) / f"{name}-{size[0]}-{scheme}.png", full_page=True)
    assert not faults, "\n".join(faults)
