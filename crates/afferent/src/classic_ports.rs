//! The ports of the systems that are replaced, so that habits, dashboards and scripts keep working.

use std::net::{IpAddr, SocketAddr};

use api::Door;
use tokio::net::TcpListener;
use tracing::warn;

/// A port, the system that people expect there, and the face that it shows. Only protocols that are spoken are listed.
const CLASSIC_PORTS: [(u16, &str, Door); 5] = [
    (3100, "Loki", Door::Loki),
    (9090, "Prometheus", Door::Prometheus),
    (9093, "Alertmanager", Door::Alertmanager),
    (4317, "OTLP over gRPC", Door::Main),
    (4318, "OTLP over HTTP", Door::Main),
];

/// A classic port that is open.
pub(crate) struct ClassicPort {
    pub(crate) listener: TcpListener,
    pub(crate) address: SocketAddr,
    pub(crate) system: &'static str,
    pub(crate) door: Door,
}

/// Opens the classic ports that are free. A taken one is a warning.
pub(crate) async fn open(ip: IpAddr, main_port: u16) -> Vec<ClassicPort> {
    let mut open = Vec::new();
    for (port, system, door) in CLASSIC_PORTS {
        if port == main_port {
            continue;
        }
        let address = SocketAddr::new(ip, port);
        match api::bind(address).await {
            Ok(listener) => open.push(ClassicPort { listener, address, system, door }),
            Err(error) => warn!(
                port,
                system,
                %error,
                "the classic port is taken, perhaps by the system itself: stop that to let its users come here, or pass \
                 --classic-ports off; until then use the main port for the same API"
            ),
        }
    }
    open
}
