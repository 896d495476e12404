//! Sources of targets.

use crate::decode::{Context, Fields};
use crate::discovery::{DiscoveryConfigs, DnsRecordType, DnsSdConfig, FileSdConfig, HttpSdConfig, StaticConfig};
use crate::scalar::Millis;
use crate::yaml::Node;

use super::http_client::{self, http_client};

pub(super) const KEYS: &[&str] = &["static_configs", "file_sd_configs", "http_sd_configs", "dns_sd_configs"];

/// Discoveries that Prometheus 3.x knows and this system does not speak.
pub(super) const UNSUPPORTED: &[&str] = &[
    "aws_sd_configs",
    "azure_sd_configs",
    "consul_sd_configs",
    "digitalocean_sd_configs",
    "docker_sd_configs",
    "dockerswarm_sd_configs",
    "ec2_sd_configs",
    "ecs_sd_configs",
    "elasticache_sd_configs",
    "eureka_sd_configs",
    "gce_sd_configs",
    "hetzner_sd_configs",
    "ionos_sd_configs",
    "kubernetes_sd_configs",
    "kuma_sd_configs",
    "lightsail_sd_configs",
    "linode_sd_configs",
    "marathon_sd_configs",
    "msk_sd_configs",
    "nerve_sd_configs",
    "nomad_sd_configs",
    "oci_sd_configs",
    "openstack_sd_configs",
    "outscale_sd_configs",
    "ovhcloud_sd_configs",
    "puppetdb_sd_configs",
    "rds_sd_configs",
    "scaleway_sd_configs",
    "serverset_sd_configs",
    "stackit_sd_configs",
    "triton_sd_configs",
    "uyuni_sd_configs",
    "vultr_sd_configs",
];

/// Reads all sources of a section. Addresses that are URLs are refused unless relabelling may still mend them.
pub(super) fn discovery(f: &Fields<'_, '_>) -> DiscoveryConfigs {
    for (key, at) in f.given().filter(|(key, _)| UNSUPPORTED.contains(key)) {
        let name = key.trim_end_matches("_sd_configs");
        let message = format!(
            "service discovery through {name} is not supported yet; list the targets with file_sd_configs or http_sd_configs"
        );
        f.context.problem(at, &f.key(key), message);
    }
    let may_be_relabelled = f.get("relabel_configs").is_some();
    DiscoveryConfigs {
        static_configs: f
            .sections("static_configs", |context, node, path| static_config(context, node, path, may_be_relabelled)),
        file_sd_configs: f.sections("file_sd_configs", file_sd),
        http_sd_configs: f.sections("http_sd_configs", http_sd),
        dns_sd_configs: f.sections("dns_sd_configs", dns_sd),
    }
}

fn static_config(context: &Context<'_>, node: &Node, path: String, may_be_relabelled: bool) -> Option<StaticConfig> {
    let f = Fields::open(context, node, path, &[&["targets", "labels"]]);
    let mut targets = Vec::new();
    if let Some(list) = f.get("targets") {
        for (path, item) in context.items(list, &f.key("targets")) {
            let Some(target) = context.text(item, &path) else { continue };
            if !may_be_relabelled && let Some(message) = address_problem(&target) {
                context.problem(item.at, &path, message);
            }
            targets.push(target);
        }
    }
    let labels = f.text_map("labels");
    if labels.contains_key("") {
        f.problem("labels", "a label name cannot be empty");
    }
    Some(StaticConfig { targets, labels })
}

/// Prometheus refuses addresses with a slash: people write URLs where host and port belong.
fn address_problem(target: &str) -> Option<String> {
    if !target.contains('/') {
        return None;
    }
    let (scheme, rest) = target.split_once("://").unwrap_or(("", target));
    let (host, path) = rest.split_once('/').map_or((rest, ""), |(host, path)| (host, path));
    let mut advice = format!("write {host:?}");
    if !scheme.is_empty() && scheme != "http" {
        advice += &format!(" and scheme: {scheme}");
    }
    if !path.is_empty() {
        advice += &format!(" and metrics_path: /{path}");
    }
    Some(format!("{target:?} is not a valid hostname; {advice}"))
}

fn file_sd(context: &Context<'_>, node: &Node, path: String) -> Option<FileSdConfig> {
    let f = Fields::open(context, node, path, &[&["files", "refresh_interval"]]);
    let mut files = Vec::new();
    let given = f.get("files");
    for (path, item) in given.into_iter().flat_map(|list| context.items(list, &f.key("files"))) {
        let Some(file) = context.text(item, &path) else { continue };
        if !is_file_sd_name(&file) {
            let message = format!(
                "path name {file:?} is not valid for file discovery; it must end in .json, .yml or .yaml, and a * may \
                 stand only in its last part"
            );
            context.problem(item.at, &path, message);
        }
        files.push(context.resolve(&file));
    }
    if given.is_none_or(|list| matches!(&list.value, crate::yaml::Value::Sequence(items) if items.is_empty())) {
        f.problem("files", "at least one path is needed");
    }
    let refresh_interval = f.duration("refresh_interval").unwrap_or(FileSdConfig::default().refresh_interval);
    Some(FileSdConfig { files, refresh_interval })
}

/// Prometheus' pattern: `^[^*]*(\*[^/]*)?\.(json|yml|yaml|JSON|YML|YAML)$`.
fn is_file_sd_name(name: &str) -> bool {
    let Some((stem, extension)) = name.rsplit_once('.') else { return false };
    let after_star = stem.split_once('*').map_or("", |(_, after)| after);
    matches!(extension, "json" | "yml" | "yaml" | "JSON" | "YML" | "YAML") && !after_star.contains('/')
}

fn http_sd(context: &Context<'_>, node: &Node, path: String) -> Option<HttpSdConfig> {
    let f =
        Fields::open(context, node, path, &[&["url", "refresh_interval"], http_client::KEYS, http_client::PROXY_KEYS]);
    let http = http_client(&f, true);
    let refresh_interval = f.duration("refresh_interval").unwrap_or(Millis::from_secs(60));
    if f.get("url").is_none() {
        f.problem("url", "must be set");
        return None;
    }
    let url = f.url("url", &["http", "https"])?;
    Some(HttpSdConfig { url, refresh_interval, http })
}

fn dns_sd(context: &Context<'_>, node: &Node, path: String) -> Option<DnsSdConfig> {
    let f = Fields::open(context, node, path, &[&["names", "refresh_interval", "type", "port"]]);
    let defaults = DnsSdConfig::default();
    let record_type = f.read("type", "one of SRV, A, AAAA, MX, NS", |text| match text.to_uppercase().as_str() {
        "SRV" => Some(DnsRecordType::Srv),
        "A" => Some(DnsRecordType::A),
        "AAAA" => Some(DnsRecordType::Aaaa),
        "MX" => Some(DnsRecordType::Mx),
        "NS" => Some(DnsRecordType::Ns),
        _ => None,
    });
    let config = DnsSdConfig {
        names: f.texts("names"),
        refresh_interval: f.duration("refresh_interval").unwrap_or(defaults.refresh_interval),
        record_type: record_type.unwrap_or(defaults.record_type),
        port: f.read("port", "a port, 0 to 65535", |text| text.parse().ok()).unwrap_or(0),
    };
    if config.names.is_empty() {
        f.problem("names", "at least one name is needed");
    }
    if config.record_type != DnsRecordType::Srv && config.port == 0 && !f.has("port") {
        f.problem("port", "must be set for all record types except SRV");
    }
    Some(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_how_to_write_a_url_as_target() {
        assert_eq!(
            address_problem("https://host:9090/metrics").as_deref(),
            Some(
                "\"https://host:9090/metrics\" is not a valid hostname; write \"host:9090\" and scheme: https and \
                 metrics_path: /metrics"
            )
        );
        assert_eq!(address_problem("[::1]:9090"), None);
    }

    #[test]
    fn knows_paths_of_file_discovery() {
        for good in ["a.json", "/x/*.yml", "x/a*b.yaml", "a.b.JSON"] {
            assert!(is_file_sd_name(good), "{good}");
        }
        for bad in ["a", "a.txt", "*/a.json", "x/*/b.yml", ".Json"] {
            assert!(!is_file_sd_name(bad), "{bad}");
        }
    }
}
