//! Alerting and its configuration: where that is, and how it is taken in anew.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use alerting::{Alerting, AlertingOptions, Prepared, Report};
use config::{AlertingConfigFile, Loaded, MatcherSyntax};
use model::{Clock, Labels};
use parking_lot::RwLock;
use rules::{Notification, Notify};
use tracing::{info, warn};

use crate::cli::Feature;
use crate::settings;

/// Names looked for beside the main configuration, the first that exists wins.
const FILE_NAMES: [&str; 4] =
    ["alertmanager-config.yaml", "alertmanager.yml", "alertmanager.yaml", "alertmanager-config.yml"];

/// What is in force where there is no file: alerts are shown and nobody is told.
const NOBODY: &str = "route:\n  receiver: nobody\nreceivers:\n- name: nobody\n";

/// The dispatcher with its configuration.
pub(crate) struct AlertHouse {
    pub(crate) alerting: Arc<Alerting>,
    file: Option<PathBuf>,
}

/// How matchers are read.
pub(crate) fn syntax(features: &[Feature]) -> MatcherSyntax {
    if features.contains(&Feature::ClassicMode) {
        MatcherSyntax::Classic
    } else if features.contains(&Feature::Utf8StrictMode) {
        MatcherSyntax::Utf8
    } else {
        MatcherSyntax::default()
    }
}

/// The file beside the main configuration, if there is one.
pub(crate) fn find_file(main: &Path) -> Option<PathBuf> {
    let directory = main.parent()?;
    FILE_NAMES.iter().map(|name| directory.join(name)).find(|file| file.is_file())
}

/// Reads and validates the file; an error names file, line, column and reason.
pub(crate) fn load(file: Option<&Path>, syntax: MatcherSyntax) -> Result<Loaded<AlertingConfigFile>, String> {
    let environment = settings::environment(None);
    let loaded = match file {
        Some(file) => config::load_alertmanager(file, &environment, syntax),
        None => config::load_alertmanager_text(NOBODY, Path::new("(default)"), &environment, syntax),
    };
    loaded.map_err(|errors| errors.to_string())
}

/// Reads everything that the file names; nothing is put to work.
pub(crate) fn prepare(file: Option<&Path>, syntax: MatcherSyntax, clock: &Arc<dyn Clock>) -> Result<Prepared, String> {
    let loaded = load(file, syntax)?;
    for warning in &loaded.warnings {
        warn!(%warning, "configuration of alerts");
    }
    Prepared::new(loaded.config, syntax, clock).map_err(|error| match file {
        Some(file) => format!("{}: {error}", file.display()),
        None => error.to_string(),
    })
}

impl AlertHouse {
    /// Opens the state below `data`. Blocks the thread.
    pub(crate) fn open(
        data: &Path,
        main: &Path,
        address: SocketAddr,
        syntax: MatcherSyntax,
        clock: &Arc<dyn Clock>,
    ) -> anyhow::Result<AlertHouse> {
        let file = find_file(main);
        let prepared = prepare(file.as_deref(), syntax, clock)
            .map_err(|reason| anyhow::anyhow!("the configuration of alerts is not usable: {reason}"))?;
        let options = AlertingOptions {
            dir: data.join("alerting"),
            external_url: format!("http://{address}"),
            syntax,
            seed: clock.now().ms() as u64 ^ u64::from(std::process::id()) << 40,
            start_delay_ms: 0,
        };
        let alerting = Alerting::open(options, prepared, clock.clone())?;
        let (alerts, silences) =
            alerting.read(|engine, _| (engine.state().alerts.len(), engine.state().silences.len()));
        info!(alerts, silences, "alerting opened");
        Ok(AlertHouse { alerting, file })
    }

    /// Reads the file again. Blocks the thread.
    pub(crate) fn read(&self) -> Result<Prepared, String> {
        prepare(self.file.as_deref(), self.alerting.options().syntax, self.alerting.clock())
            .inspect_err(|_| self.alerting.reload_failed())
    }

    /// Puts another configuration to work.
    pub(crate) fn apply(&self, prepared: Prepared) {
        self.alerting.apply(prepared);
        self.alerting.reload_succeeded();
    }
}

/// Tells our own dispatcher, as a sender tells any: with external labels, after relabelling.
pub(crate) struct InProcess {
    pub(crate) alerting: Arc<Alerting>,
    pub(crate) config: RwLock<(Labels, Vec<config::RelabelConfig>, config::NameValidation)>,
}

impl InProcess {
    pub(crate) fn new(alerting: Arc<Alerting>) -> Arc<Self> {
        Arc::new(InProcess { alerting, config: RwLock::default() })
    }

    /// Takes over what the main configuration says of alerts.
    pub(crate) fn apply(&self, config: &config::PrometheusConfig) {
        *self.config.write() = (
            config.global.external_labels.clone(),
            config.alerting.alert_relabel_configs.clone(),
            config.global.metric_name_validation_scheme,
        );
    }
}

impl Notify for InProcess {
    fn notify(&self, alerts: Vec<Notification>) {
        let config = self.config.read();
        let (external, rules, names) = &*config;
        let told = alerts.into_iter().filter_map(|mut alert| {
            let mut labels = alert.labels.to_builder();
            for label in external {
                if labels.get(label.name).is_empty() {
                    labels.set(label.name, label.value);
                }
            }
            if !scrape::relabel::relabel(&mut labels, rules, *names) {
                return None;
            }
            alert.labels = labels.build();
            Some(report(alert))
        });
        self.alerting.tell(told.collect());
    }
}

fn report(alert: Notification) -> Report {
    let texts = |labels: &Labels| labels.iter().map(|l| (l.name.to_owned(), l.value.to_owned())).collect();
    Report {
        labels: texts(&alert.labels),
        annotations: texts(&alert.annotations),
        starts_at: Some(alert.starts_at),
        ends_at: Some(alert.ends_at),
        generator_url: alert.generator_url,
    }
}

/// Tells several.
pub(crate) struct Everyone(pub(crate) Vec<Arc<dyn Notify>>);

impl Notify for Everyone {
    fn notify(&self, alerts: Vec<Notification>) {
        for one in &self.0 {
            one.notify(alerts.clone());
        }
    }
}
