"""Every link within the repository leads to a file, and to a heading of it; every document can be reached from the README."""

import pytest

from tests.documents.reading import DOCUMENTS, ROOT, anchors, links


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document: str) -> None:
    broken = [link for link in links(document) if not _leads(document, link)]

    assert broken == []


def test_every_document_can_be_reached_from_the_readme() -> None:
    reached, next_ones = set(), ["README.md"]
    while next_ones:
        document = next_ones.pop()
        reached.add(document)
        next_ones += [
            target
            for link in links(document)
            if (target := _file(document, link)) in DOCUMENTS and target not in reached
        ]

    assert set(DOCUMENTS) - reached == set()


def _file(document: str, link: str) -> str:
    """From the repository's root."""
    path = link.partition("#")[0]
    if not path:
        return document
    whole = (ROOT / document).parent.joinpath(path).resolve()
    return str(whole.relative_to(ROOT)) if whole.is_relative_to(ROOT) else str(whole)


def _leads(document: str, link: str) -> bool:
    if ":" in link:
        return True  # elsewhere
    target, anchor = _file(document, link), link.partition("#")[2]
    if not (ROOT / target).exists():
        return False
    return not anchor or (target in DOCUMENTS and anchor in anchors(target))
