from typing import Any

import pytest

from tests.report.sample import sample_document


@pytest.fixture
def document() -> dict[str, Any]:
    return sample_document()
