"""What a job leaves: upper directories on disk, read after its end, and what becomes of that.

    mounts       shows upper directories of this machine to one job
    upper        reads such a directory
    archive      writes it as an archive that can be a layer
    bring_back   brings files of it to a directory of the user's
    copying      copies one file

Everything here runs after the job's last process is gone, so nothing moves any more; but names, links, modes and
attributes are what the job chose, and so hostile. Docs/decisions/captured-changes.md has the reasons.
"""
