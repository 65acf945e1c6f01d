"""What the tests use that know the product by its sessions alone."""

from timerlab import Session

MASK = (1 << 64) - 1
S = 10**9


def lab(profile: str = "datasheet", quirks: str = "", **options: object) -> Session:
    """A session with quirks as one writes them on the command line."""
    return Session(profile=profile, quirks=dict(word.split("=") for word in quirks.split()), **options)


def kvm(quirks: str = "", **options: object) -> Session:
    """A guest of KVM on a host whose TSC is 0 at the guest's power-on."""
    return lab("kvm", f"host_boot=with_guest {quirks}", **options)


def do(s: Session, *lines: str) -> object:
    """The value of the last of some commands, none of which may fault."""
    value = None
    for line in lines:
        result = s.do(line)
        assert result.fault is None, (line, result.text)
        value = result.value
    return value
