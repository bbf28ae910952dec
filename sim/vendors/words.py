"""What a site has to say about a scan, because no converter does."""

from ...streaming.scan import Role
from ...streaming.xmltree import children, words
from .document import read_document


def site_settings(text: str) -> dict[str, object]:
    """Give the words of BIDS that stand in a neutral header, and TR, TE and field strength in BIDS's units.

    They fit the settings of the server as well as the JSON that FIRE sends behind the header.
    """
    root = read_document(text)
    settings: dict[str, object] = {}
    for group in children(root, "userParameters"):
        settings |= {words(part, "name"): words(part, "value") for part in group}
    for element, key in (("TR", "RepetitionTimePreparation"), ("TE", "EchoTime")):
        if said := words(root, "sequenceParameters", element):
            settings[key] = f"{float(said) * 1e-3:.9g}"
    if strength := words(root, "acquisitionSystemInformation", "systemFieldStrength_T"):
        settings["MagneticFieldStrength"] = strength
    return settings


def roles_of(text: str) -> tuple[Role, ...]:
    """Give the role of every volume that a neutral header lists."""
    listed = str(site_settings(text).get("aslcontext", ""))
    return tuple(Role(word) for word in listed.split(",") if word)
