//! Temperatures, fans, voltages: `/sys/class/hwmon` and `/sys/class/thermal`.

use std::collections::BTreeMap;
use std::path::Path;

use super::files::{entries, line, name, number, numbered, read};
use super::{CollectError, Host};
use crate::exposition::Exposition;

/// node_exporter's `thermal_zone`.
pub(super) fn thermal_zone(host: &Host, out: &mut Exposition) -> Result<(), CollectError> {
    let directory = host.sys_path("class/thermal");
    for (zone, path) in numbered(&directory, "thermal_zone")? {
        let (Some(kind), Some(temperature)) = (line(&path.join("type")), number(&path.join("temp"))) else { continue };
        let labels = [("type", kind.as_str()), ("zone", &zone.to_string())];
        out.gauge("node_thermal_zone_temp", "Zone temperature in Celsius", &labels, temperature / 1000.0);
    }
    for (device, path) in numbered(&directory, "cooling_device")? {
        let Some(kind) = line(&path.join("type")) else { continue };
        let device = device.to_string();
        let labels = [("name", device.as_str()), ("type", &kind)];
        let states = (number(&path.join("cur_state")), number(&path.join("max_state")));
        let (Some(current), Some(maximum)) = states else { continue };
        out.gauge("node_cooling_device_cur_state", "Current throttle state of the cooling device", &labels, current);
        out.gauge("node_cooling_device_max_state", "Maximum throttle state of the cooling device", &labels, maximum);
    }
    Ok(())
}

const SENSOR_TYPES: [&str; 14] = [
    "vrm",
    "beep_enable",
    "update_interval",
    "in",
    "cpu",
    "fan",
    "pwm",
    "temp",
    "curr",
    "power",
    "energy",
    "humidity",
    "intrusion",
    "freq",
];

/// The files of one sensor, by property: `temp1_input` is the property `input` of the sensor `temp1`.
type Sensor = BTreeMap<String, String>;

/// node_exporter's `hwmon`. Chips that share a device are told apart by their name, else by their number.
pub(super) fn hwmon(host: &Host, out: &mut Exposition) -> Result<(), CollectError> {
    let chips: Vec<_> = entries(&host.sys_path("class/hwmon"))?
        .into_iter()
        .filter(|path| path.is_dir())
        .map(|path| {
            let given = line(&path.join("name")).unwrap_or_default();
            let base = chip_base_name(&path, &given);
            (path, base, given)
        })
        .collect();
    for (path, base, given) in &chips {
        let same_base = chips.iter().filter(|(_, other, _)| other == base).count();
        let same_name = chips.iter().filter(|(_, other, name)| other == base && name == given).count();
        let chip = match clean(given) {
            _ if same_base == 1 => base.clone(),
            own if same_name == 1 && !own.is_empty() => format!("{base}_{own}"),
            _ => format!("{base}_{}", clean(&name(path))),
        };
        if !clean(given).is_empty() {
            let labels = [("chip", chip.as_str()), ("chip_name", &clean(given))];
            out.gauge("node_hwmon_chip_names", "Annotation metric for human-readable chip names", &labels, 1.0);
        }
        let mut sensors: BTreeMap<(String, String), Sensor> = BTreeMap::new();
        read_sensors(path, &mut sensors);
        read_sensors(&path.join("device"), &mut sensors);
        for ((kind, sensor), properties) in &sensors {
            expose_sensor(out, &chip, kind, sensor, properties);
        }
    }
    Ok(())
}

/// `platform_coretemp_0`: the last two parts of the device's path; else the chip's own name; else `hwmon0`.
fn chip_base_name(path: &Path, given: &str) -> String {
    if let Ok(device) = path.join("device").canonicalize() {
        let device_name = clean(&name(&device));
        let bus = device.parent().map(|parent| clean(&name(parent))).unwrap_or_default();
        if !device_name.is_empty() {
            return if bus.is_empty() { device_name } else { format!("{bus}_{device_name}") };
        }
    }
    let own = clean(given);
    if own.is_empty() { clean(&name(path)) } else { own }
}

/// Lower case; what a metric name may not hold becomes `_`.
fn clean(text: &str) -> String {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == ':' || c == '_';
    let lower = text.to_lowercase();
    let cleaned: String = lower.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
    cleaned.trim_matches('_').to_owned()
}

fn read_sensors(directory: &Path, sensors: &mut BTreeMap<(String, String), Sensor>) {
    for path in entries(directory).unwrap_or_default() {
        let file = name(&path);
        let Some((kind, number, property)) = split_sensor_file(&file) else { continue };
        if !SENSOR_TYPES.contains(&kind) {
            continue;
        }
        // Some drivers answer with an error; the sensor then has no such property.
        let Ok(text) = read(&path) else { continue };
        let sensor = sensors.entry((kind.to_owned(), format!("{kind}{number}"))).or_default();
        sensor.insert(property.to_owned(), text.trim_matches('\n').to_owned());
    }
}

/// `temp12_crit_alarm` is the type `temp`, the number 12 and the property `crit_alarm`; the number is 0 where there is none.
fn split_sensor_file(file: &str) -> Option<(&str, u32, &str)> {
    let Some(digits_at) = file.find(|c: char| c.is_ascii_digit()) else {
        // Without a number the whole is the type: `update_interval`, `beep_enable`.
        return Some((file, 0, ""));
    };
    let (kind, rest) = file.split_at(digits_at);
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let number = rest[..digits].parse().ok()?;
    let property = match &rest[digits..] {
        "" => "",
        after => after.strip_prefix('_').filter(|property| !property.is_empty())?,
    };
    (!kind.is_empty()).then_some((kind, number, property))
}

fn expose_sensor(out: &mut Exposition, chip: &str, kind: &str, sensor: &str, properties: &Sensor) {
    let labels = [("chip", chip), ("sensor", sensor)];
    let whole = properties.get("").map_or("", String::as_str);
    if let Some(label) = properties.get("label") {
        let labels = [("chip", chip), ("label", label), ("sensor", sensor)];
        out.gauge("node_hwmon_sensor_label", "Label for given chip and sensor", &labels, 1.0);
    }
    match kind {
        "beep_enable" => {
            let enabled = f64::from(u8::from(whole == "1"));
            out.gauge("node_hwmon_beep_enabled", "Hardware beep enabled", &labels, enabled);
        }
        "vrm" => {
            if let Ok(version) = whole.parse() {
                out.gauge("node_hwmon_voltage_regulator_version", "Hardware voltage regulator", &labels, version);
            }
        }
        "update_interval" => {
            if let Ok(milliseconds) = whole.parse::<f64>() {
                let help = "Hardware monitor update interval";
                out.gauge("node_hwmon_update_interval_seconds", help, &labels, milliseconds * 0.001);
            }
        }
        _ => {
            for (property, value) in properties.iter().filter(|(property, _)| *property != "label") {
                if let Ok(value) = value.parse() {
                    expose_property(out, chip, kind, sensor, properties, property, value);
                }
            }
        }
    }
}

/// One property under its name, unit and scale.
fn expose_property(
    out: &mut Exposition,
    chip: &str,
    kind: &str,
    sensor: &str,
    properties: &Sensor,
    property: &str,
    value: f64,
) {
    let labels = [("chip", chip), ("sensor", sensor)];
    let mut name = format!("node_hwmon_{kind}");
    if property == "input" && properties.contains_key("") {
        name.push_str("_input");
    } else if property != "input" && !property.is_empty() {
        name.push('_');
        name.push_str(&clean(property));
    }
    let (suffix, help, scale) = match (kind, property) {
        (_, "fault" | "alarm") => ("", format!("Hardware sensor {property} status ({kind})"), 1.0),
        (_, "beep") => ("_enabled", "Hardware monitor sensor has beeping enabled".to_owned(), 1.0),
        ("in" | "cpu", _) => ("_volts", format!("Hardware monitor for voltage ({property})"), 0.001),
        ("temp", property) if property != "type" => {
            let shown = if property.is_empty() { "input" } else { property };
            ("_celsius", format!("Hardware monitor for temperature ({shown})"), 0.001)
        }
        ("curr", _) => ("_amps", format!("Hardware monitor for current ({property})"), 0.001),
        ("energy", _) => {
            let help = format!("Hardware monitor for joules used so far ({property})");
            out.counter(&(name + "_joule_total"), &help, &labels, value / 1_000_000.0);
            return;
        }
        ("power", "accuracy") => ("", "Hardware monitor power meter accuracy, as a ratio".to_owned(), 1e-6),
        ("power", "average_interval" | "average_interval_min" | "average_interval_max") => {
            ("_seconds", format!("Hardware monitor power usage update interval ({property})"), 0.001)
        }
        ("power", _) => ("_watt", format!("Hardware monitor for power usage in watts ({property})"), 1e-6),
        ("humidity", _) => {
            let ratio = "as a ratio (multiply with 100.0 to get the humidity as a percentage)";
            ("", format!("Hardware monitor for humidity, {ratio} ({property})"), 1e-6)
        }
        ("fan", "input" | "min" | "max" | "target") => {
            ("_rpm", format!("Hardware monitor for fan revolutions per minute ({property})"), 1.0)
        }
        ("freq", "input") => {
            let Some(label) = properties.get("label") else { return };
            let labels = [("chip", chip), ("sensor", &clean(label))];
            let help = "Hardware monitor for GPU frequency in MHz";
            out.gauge(&(name + "_freq_mhz"), help, &labels, value / 1_000_000.0);
            return;
        }
        _ => ("", format!("Hardware monitor {kind} element {property}"), 1.0),
    };
    // Dividing rather than multiplying by a rounded fraction keeps 35000 at 35.
    let value = if scale == 1e-6 { value / 1_000_000.0 } else { value * scale };
    out.gauge(&(name + suffix), &help, &labels, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_sensor_files() {
        assert_eq!(split_sensor_file("temp12_crit_alarm"), Some(("temp", 12, "crit_alarm")));
        assert_eq!(split_sensor_file("pwm1"), Some(("pwm", 1, "")));
        assert_eq!(split_sensor_file("update_interval"), Some(("update_interval", 0, "")));
        assert_eq!(split_sensor_file("temp1_"), None);
        assert_eq!(split_sensor_file("1_x"), None);
        assert_eq!(clean(" Core-Temp.0 "), "core_temp_0");
    }
}
