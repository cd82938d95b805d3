"""What logins are made of (`ordod.adapter.logins`)."""

import pytest

from ordod.adapter import BrokerError, Credentials, Fault, Secret
from ordod.adapter.logins import need

APP = Credentials(
    api_key=Secret("key0"), options={"redirect_uri": "https://app.example/", "vendor_code": ""}
)


def test_what_a_login_needs_may_be_a_credential_or_an_option() -> None:
    need(APP, ("api_key", "redirect_uri"))


def test_what_is_missing_of_both_is_named() -> None:
    with pytest.raises(BrokerError, match=r"lacks pin, vendor_code$") as refused:
        need(APP, ("api_key", "pin", "vendor_code"))

    assert refused.value.fault is Fault.AUTH_DENIED
