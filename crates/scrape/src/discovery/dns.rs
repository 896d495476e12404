//! Targets from DNS: addresses behind a name, or the hosts and ports that SRV, MX and NS records list.

use std::net::SocketAddr;
use std::sync::Arc;

use config::{DnsRecordType, DnsSdConfig};
use futures::future::join_all;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use hickory_resolver::{Resolver, TokioResolver};
use model::Labels;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::warn;

use super::{Groups, Publisher, SourceContext, TargetGroup};

/// What fails where no name can be asked for.
const RESOLVER: &str = "resolver";

/// Asks every refresh interval. A name that cannot be resolved keeps what was found before.
pub(super) async fn run(config: DnsSdConfig, publisher: Publisher, context: SourceContext) {
    let mut refresh = interval_at(Instant::now(), config.refresh_interval.to_std());
    refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut found: Groups = vec![Arc::default(); config.names.len()];
    let mut source = None;
    loop {
        refresh.tick().await;
        if source.is_none() {
            match DnsSource::new(context.dns_server) {
                Ok(new) => {
                    context.troubles.clear(RESOLVER);
                    source = Some(new);
                }
                Err(error) => {
                    context.troubles.note(RESOLVER, &error);
                    warn!(pool = context.pool, error, "DNS discovery has no resolver");
                }
            }
        }
        let Some(source) = &source else { continue };
        let answers = join_all(config.names.iter().map(|name| source.group(&config, name))).await;
        for ((name, answer), group) in config.names.iter().zip(answers).zip(&mut found) {
            context.metrics.sd_dns_lookups.inc();
            match answer {
                Ok(new) => {
                    context.troubles.clear(name);
                    *group = Arc::new(new);
                }
                Err(error) => {
                    context.troubles.note(name, &error);
                    context.metrics.sd_dns_failures.inc();
                    warn!(pool = context.pool, name, error, "error refreshing DNS targets");
                }
            }
        }
        publisher.publish(found.clone());
    }
}

/// A resolver that does not remember answers: the refresh interval decides how old they may be.
pub(crate) struct DnsSource {
    resolver: TokioResolver,
}

impl DnsSource {
    /// Asks the given server, or those of the system.
    pub(crate) fn new(server: Option<SocketAddr>) -> Result<Self, String> {
        let mut builder = match server {
            Some(server) => {
                let mut connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
                connections.iter_mut().for_each(|c| c.port = server.port());
                let name_server = NameServerConfig::new(server.ip(), true, connections.to_vec());
                let config = ResolverConfig::from_parts(None, Vec::new(), vec![name_server]);
                Resolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
            None => Resolver::builder_tokio().map_err(|e| e.to_string())?,
        };
        let options: &mut ResolverOpts = builder.options_mut();
        options.cache_size = 0;
        options.use_hosts_file = hickory_resolver::config::ResolveHosts::Never;
        let resolver = builder.build().map_err(|e| e.to_string())?;
        Ok(DnsSource { resolver })
    }

    /// Resolves one name. A name that does not exist is an empty group, not an error.
    pub(crate) async fn group(&self, config: &DnsSdConfig, name: &str) -> Result<TargetGroup, String> {
        let record_type = match config.record_type {
            DnsRecordType::Srv => RecordType::SRV,
            DnsRecordType::A => RecordType::A,
            DnsRecordType::Aaaa => RecordType::AAAA,
            DnsRecordType::Mx => RecordType::MX,
            DnsRecordType::Ns => RecordType::NS,
        };
        let mut group = TargetGroup { source: name.to_owned(), ..TargetGroup::default() };
        let lookup = match self.resolver.lookup(name, record_type).await {
            Ok(lookup) => lookup,
            Err(error) if error.is_no_records_found() => return Ok(group),
            Err(error) => return Err(format!("could not resolve {name:?}: {error}")),
        };
        let records = lookup.answers().iter();
        group.targets = records.filter_map(|record| labels_of(&record.data, config.port, name)).collect();
        Ok(group)
    }
}

fn labels_of(record: &RData, port: u16, name: &str) -> Option<Labels> {
    let unrooted = |host: &str| host.trim_end_matches('.').to_owned();
    let mut labels = vec![("__meta_dns_name", name.to_owned())];
    let address = match record {
        RData::A(address) => format!("{address}:{port}"),
        RData::AAAA(address) => format!("[{address}]:{port}"),
        RData::SRV(srv) => {
            let target = srv.target.to_string();
            let address = format!("{}:{}", unrooted(&target), srv.port);
            labels.push(("__meta_dns_srv_record_target", target));
            labels.push(("__meta_dns_srv_record_port", srv.port.to_string()));
            address
        }
        RData::MX(mx) => {
            let target = mx.exchange.to_string();
            let address = format!("{}:{port}", unrooted(&target));
            labels.push(("__meta_dns_mx_record_target", target));
            address
        }
        RData::NS(ns) => {
            let target = ns.0.to_string();
            let address = format!("{}:{port}", unrooted(&target));
            labels.push(("__meta_dns_ns_record_target", target));
            address
        }
        _ => return None, // a CNAME on the way to the answer
    };
    labels.push(("__address__", address));
    Some(Labels::from_pairs(labels))
}
