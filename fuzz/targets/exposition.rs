//! What targets expose: text, OpenMetrics and protobuf, with every way of reading histograms.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scrape::exposition::{Format, ParseOptions, RawLabels, parser};

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else { return };
    let format = match choice % 3 {
        0 => Format::Text,
        1 => Format::OpenMetrics,
        _ => Format::Protobuf,
    };
    let options = ParseOptions {
        native_histograms: choice & 8 != 0,
        keep_classic_histograms: choice & 16 != 0,
        convert_classic_to_nhcb: choice & 32 != 0,
    };
    let mut entries = parser(body, format, options);
    let mut labels = RawLabels::default();
    while let Ok(Some(_)) = entries.advance() {
        entries.labels(&mut labels);
        entries.start_timestamp();
        while entries.exemplar().is_some() {}
    }
});
