"""Every call on the way of a new token to the disk, failing once or for good."""
from long import *
import test_disk as short


class Calls(unittest.TestCase):
    cases, failing_calls = short.Disk.cases, short.Disk.failing_calls

    def test_any_failing_call(self):
        self.failing_calls([(call, error, when) for call, error, whens in (
            ("fsync,fdatasync", "EIO", ("1", "1+", "2", "2+", "3", "3+", "4+")), (short.RENAME, "EIO", ("1", "1+", "2+")), (short.RENAME, "EACCES", ("1+",)),
            ("write,pwrite64", "ENOSPC", ("1", "2")), ("ftruncate", "EIO", ("1", "1+")), ("openat", "EMFILE", ("1+", "2+", "3+")))
            for when in whens])
