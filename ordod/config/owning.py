"""Who but its owner can write a file."""

import grp
import os
import pwd
import stat

__all__ = ["others_write"]


def others_write(status: os.stat_result) -> bool:
    """Whether anybody may but the owner and root. A group that is the owner's alone, as many systems make one, is nobody."""
    if status.st_mode & stat.S_IWOTH:
        return True
    return bool(status.st_mode & stat.S_IWGRP) and not _is_owners_alone(status)


def _is_owners_alone(status: os.stat_result) -> bool:
    try:
        owner, group = pwd.getpwuid(status.st_uid), grp.getgrgid(status.st_gid)
    except KeyError:
        return False
    is_primary = owner.pw_gid == status.st_gid and owner.pw_name == group.gr_name
    return is_primary and set(group.gr_mem) <= {owner.pw_name}
