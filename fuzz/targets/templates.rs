//! Go templates, as text and as HTML: any template parses or is refused, and ends within its limits.
#![no_main]

use gotemplate::{Funcs, Limits, Mode, Template, Value};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let funcs = Funcs::new();
    let limits = Limits { steps: 2000, depth: 10, output_bytes: 1 << 16, scratch_bytes: 1 << 18 };
    let data = Value::map([
        ("Labels", Value::string_map([("job", "node")])),
        ("Value", Value::Float(1.5)),
        ("List", Value::strings(["x", "<y>"])),
    ]);
    for mode in [Mode::Text, Mode::Html] {
        let mut template = Template::new(mode, &funcs);
        if template.add("t", text).is_ok() {
            let _ = template.execute("t", &data, &limits);
        }
    }
});
