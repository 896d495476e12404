//! From a URL to a client: which service, which bucket, which settings.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::client::{
    ClientOptions, HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};
use url::Url;

use super::RemoteOptions;
use super::counters::Counters;
use super::errors::shown;

/// Attempts are bounded by time; this is only a guard.
const MOST_ATTEMPTS: usize = 1_000;

/// Where the files are.
#[derive(Debug)]
pub(super) struct Address {
    /// The URL, which holds no secrets.
    pub(super) shown: String,
    /// The path inside the bucket.
    pub(super) prefix: ObjectPath,
    /// The directory of a `file:` URL.
    pub(super) local_dir: Option<PathBuf>,
}

fn refused(text: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text.into())
}

/// Builds a client from environment, URL and settings, in this order; the last counts.
macro_rules! client {
    ($builder:ty, $url:expr, $options:expr, $counters:expr) => {{
        let mut builder = <$builder>::from_env().with_url($url.as_str());
        for (name, value) in client_settings($options) {
            let key = name.to_ascii_lowercase().parse();
            let key = key.map_err(|_| refused(format!("{name:?} is no setting for a {}: bucket", $url.scheme())))?;
            builder = builder.with_config(key, value);
        }
        let builder = builder.with_retry(retries($options)).with_http_connector(Counting($counters.clone()));
        let client = builder.build().map_err(|error| refused(shown(&error.to_string())))?;
        Arc::new(client) as Arc<dyn ObjectStore>
    }};
}

/// Makes the client for a URL; makes no request.
pub(super) fn open(
    text: &str,
    options: &RemoteOptions,
    counters: &Counters,
) -> io::Result<(Address, Arc<dyn ObjectStore>)> {
    // The text itself is not quoted: it may hold what must not be shown.
    let url = Url::parse(text).map_err(|error| refused(format!("the bucket's URL cannot be read: {error}")))?;
    let azure = matches!(url.scheme(), "az" | "azure" | "abfs" | "abfss");
    if url.password().is_some() || (!azure && !url.username().is_empty()) || url.query().is_some() {
        let text = "a bucket's URL must not hold credentials or a query: set them in the environment \
                    (AWS_ACCESS_KEY_ID, GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_ACCOUNT_KEY, ...)";
        return Err(refused(text));
    }
    let prefix = ObjectPath::from_url_path(url.path()).map_err(|error| refused(error.to_string()))?;
    let mut local_dir = None;
    let store = match url.scheme() {
        "s3" | "s3a" => client!(AmazonS3Builder, url, options, counters),
        "gs" => client!(GoogleCloudStorageBuilder, url, options, counters),
        "az" | "azure" | "abfs" | "abfss" => client!(MicrosoftAzureBuilder, url, options, counters),
        "file" => {
            let dir = url.to_file_path().map_err(|()| refused("a file: URL needs an absolute path: file:///path"))?;
            std::fs::create_dir_all(&dir)?;
            local_dir = Some(dir);
            Arc::new(LocalFileSystem::new()) as Arc<dyn ObjectStore>
        }
        other => {
            return Err(refused(format!("{other:?} is no kind of bucket: use s3://, gs://, az:// or file:///")));
        }
    };
    Ok((Address { shown: url.as_str().trim_end_matches('/').to_owned(), prefix, local_dir }, store))
}

fn client_settings(options: &RemoteOptions) -> impl Iterator<Item = (String, String)> {
    let timeout = ("timeout".to_owned(), format!("{}ms", options.request_timeout.as_millis()));
    let connect = ("connect_timeout".to_owned(), format!("{}ms", options.request_timeout.as_millis() / 3 + 1));
    [timeout, connect].into_iter().chain(options.settings.iter().cloned())
}

fn retries(options: &RemoteOptions) -> RetryConfig {
    let backoff = BackoffConfig { init_backoff: options.first_pause, max_backoff: options.request_timeout, base: 2.0 };
    RetryConfig { backoff, max_retries: MOST_ATTEMPTS, retry_timeout: options.time_limit }
}

/// Counts each attempt.
#[derive(Clone, Debug)]
struct Counting(Counters);

impl HttpConnector for Counting {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let inner = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(CountingService { inner, counters: self.0.clone() }))
    }
}

#[derive(Debug)]
struct CountingService {
    inner: HttpClient,
    counters: Counters,
}

impl HttpService for CountingService {
    // What the trait's `async_trait` stands for.
    fn call<'a, 'b>(
        &'a self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            let method = request.method().clone();
            self.counters.requested(method.as_str());
            let answer = self.inner.execute(request).await;
            let busy = |status: http::StatusCode| status.is_server_error() || status.as_u16() == 429;
            if answer.as_ref().map_or(true, |response| busy(response.status())) {
                self.counters.request_failed(method.as_str());
            }
            answer
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(url: &str, settings: &[(&str, &str)]) -> Result<String, String> {
        let mut options = RemoteOptions::new("cache", 0);
        options.settings = settings.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let opened = open(url, &options, &Counters::default());
        opened.map(|(address, _)| format!("{} {}", address.shown, address.prefix)).map_err(|error| error.to_string())
    }

    #[test]
    fn urls_say_which_bucket() {
        let s3 = [("aws_access_key_id", "a"), ("aws_secret_access_key", "b")];
        let gs = [("google_skip_signature", "true")];
        let az = [("azure_storage_account_name", "acc"), ("azure_storage_account_key", "a2V5")];
        let cases = [
            ("s3://bucket/a/b/", &s3[..], "s3://bucket/a/b a/b"),
            ("gs://bucket/a", &gs[..], "gs://bucket/a a"),
            ("az://container/a", &az[..], "az://container/a a"),
        ];
        for (url, settings, wanted) in cases {
            assert_eq!(opened(url, settings).as_deref(), Ok(wanted));
        }
    }

    #[test]
    fn bad_urls_are_refused_without_showing_them() {
        let cases = [
            ("s3://key:SECRET@bucket/a", "must not hold credentials"),
            ("s3://SECRET@bucket/a", "must not hold credentials"),
            ("az://container/a?sig=SECRET", "must not hold credentials"),
            ("SECRET bucket", "cannot be read"),
            ("ftp://bucket/", "use s3://"),
            ("file://host/SECRET", "absolute path"),
        ];
        for (url, wanted) in cases {
            let error = opened(url, &[]).unwrap_err();
            assert!(error.contains(wanted) && !error.contains("SECRET"), "{url}: {error}");
        }
        let error = opened("s3://bucket", &[("aws_acces_key", "SECRET")]).unwrap_err();
        assert_eq!(error, "\"aws_acces_key\" is no setting for a s3: bucket");
    }
}
