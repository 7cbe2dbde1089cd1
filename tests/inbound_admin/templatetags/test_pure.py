"""A pure part is rendered once for each set of values, and sees nothing else."""

from typing import Any

import pytest
from django.template import Context, Template, TemplateSyntaxError
from django.utils.safestring import mark_safe

from inbound_admin.templatetags.pure import MOST_KEPT, Pure


def render(template: Template, **values: Any) -> str:
    return template.render(Context(values))


def the_part(template: Template) -> Pure:
    (part,) = template.nodelist.get_nodes_by_type(Pure)
    assert isinstance(part, Pure)
    return part


def test_it_is_rendered_once_for_the_same_values() -> None:
    template = Template("{% for each in rows %}{% pure word=each.word %}<b>{{ word }}</b>{% endpure %}{% endfor %}")
    rows = [{"word": "a"}, {"word": "<"}, {"word": "a"}]
    assert render(template, rows=rows) == render(template, rows=rows) == "<b>a</b><b>&lt;</b><b>a</b>"
    assert len(the_part(template).kept) == 2


def test_it_sees_only_its_values() -> None:
    template = Template("{% pure word=word %}{{ word }}{{ secret }}{{ request.user }}{% endpure %}")
    assert render(template, word="a", secret="of Alice") == "a"
    assert render(template, word="a", secret="of Bob") == "a"


def test_equal_values_that_render_differently_are_cached_separately() -> None:
    template = Template("{% pure value=value %}{{ value }}{% endpure %}")
    values = (True, 1, 1.0, "<", mark_safe("<"), None, "")
    assert [render(template, value=each) for each in values] == ["True", "1", "1.0", "&lt;", "<", "None", ""]


def test_a_component_renders_inside() -> None:
    template = Template('{% pure tone=of.tone %}{% cotton label :tone="tone" %}Off{% endcotton %}{% endpure %}')
    assert render(template, of={"tone": "warn"}).strip() == '<span class="tag" data-tone="warn">Off</span>'


def test_the_cache_is_limited() -> None:
    template = Template("{% pure value=value %}{{ value }}{% endpure %}")
    for number in range(MOST_KEPT + 5):
        assert render(template, value=f"v{number}") == f"v{number}"
    assert len(the_part(template).kept) == 5


@pytest.mark.parametrize("value", [object(), ("a",), frozenset()])
def test_a_mutable_value_is_refused(value: object) -> None:
    with pytest.raises(TemplateSyntaxError, match="no plain value"):
        render(Template("{% pure value=value %}{{ value }}{% endpure %}"), value=value)


def test_it_accepts_only_names_with_values() -> None:
    with pytest.raises(TemplateSyntaxError, match="not “word”"):
        Template("{% pure word %}{{ word }}{% endpure %}")
