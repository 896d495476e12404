//! The files that a configuration names, and whether they are there; as `promtool check config` looks for them.

use std::path::{Path, PathBuf};

use config::{HttpClientConfig, PrometheusConfig, TlsConfig};

/// What is wrong with the files that a configuration names.
#[derive(Debug, Default)]
pub(crate) struct FileReport {
    /// The configuration would not do what it says.
    pub(crate) problems: Vec<String>,
    /// Files that may still come, such as those of discovery.
    pub(crate) warnings: Vec<String>,
}

/// Looks for every file; says nothing of what is in them.
pub(crate) fn look(config: &PrometheusConfig) -> FileReport {
    let mut report = FileReport::default();
    for file in config.rule_files.iter().filter(|file| !is_pattern(file)) {
        report.needs("rule_files", file);
    }
    for job in config.all_scrape_configs() {
        let owner = format!("scrape job {:?}", job.job_name);
        report.client(&owner, &job.http);
        for source in &job.discovery.http_sd_configs {
            report.client(&format!("{owner}: http_sd_configs"), &source.http);
        }
        for file in job.discovery.file_sd_configs.iter().flat_map(|source| &source.files) {
            if !is_pattern(file) && !file.exists() {
                let shown = file.display();
                report.warnings.push(format!("{owner}: file {shown} of file_sd_configs does not exist"));
            }
        }
    }
    config.remote_write.iter().for_each(|to| report.client(&format!("remote_write {}", to.url), &to.http));
    config.remote_read.iter().for_each(|from| report.client(&format!("remote_read {}", from.url), &from.http));
    config.alerting.alertmanagers.iter().for_each(|to| report.client("alerting.alertmanagers", &to.http));
    report
}

impl FileReport {
    fn needs(&mut self, what: &str, file: &Path) {
        if let Err(error) = std::fs::File::open(file) {
            self.problems.push(format!("{what}: {}: {error}", file.display()));
        }
    }

    fn client(&mut self, owner: &str, http: &HttpClientConfig) {
        let basic = http.basic_auth.iter().flat_map(|basic| {
            [("basic_auth.username_file", &basic.username_file), ("basic_auth.password_file", &basic.password_file)]
        });
        let bearer = http.authorization.iter().map(|auth| ("authorization.credentials_file", &auth.credentials_file));
        let oauth2 = http.oauth2.iter().map(|oauth2| ("oauth2.client_secret_file", &oauth2.client_secret_file));
        let tls =
            tls(&http.tls_config).into_iter().chain(http.oauth2.iter().flat_map(|oauth2| tls(&oauth2.tls_config)));
        let named: Vec<(&str, &PathBuf)> = basic
            .chain(bearer)
            .chain(oauth2)
            .chain(tls)
            .filter_map(|(what, file)| Some((what, file.as_ref()?)))
            .collect();
        let headers = http.http_headers.values().flat_map(|values| &values.files).map(|file| ("http_headers", file));
        for (what, file) in named.into_iter().chain(headers) {
            self.needs(&format!("{owner}: {what}"), file);
        }
    }
}

fn tls(tls: &TlsConfig) -> [(&'static str, &Option<PathBuf>); 3] {
    [
        ("tls_config.ca_file", &tls.ca_file),
        ("tls_config.cert_file", &tls.cert_file),
        ("tls_config.key_file", &tls.key_file),
    ]
}

fn is_pattern(file: &Path) -> bool {
    file.to_string_lossy().contains(['*', '?', '['])
}
