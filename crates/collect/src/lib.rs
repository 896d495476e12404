//! Built-in exporters, under the names that the well-known exporters use.
