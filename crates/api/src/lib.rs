//! HTTP: one file per protocol spoken; decodes, authorises, calls, encodes. No logic.
