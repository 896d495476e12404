//! The metric store: head, write-ahead log, and the seam where blocks join.
