//! An S3 server inside the test that fails on demand.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use parking_lot::Mutex;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

pub(crate) const KEY: &str = "test-key";
pub(crate) const SECRET: &str = "test-secret-never-shown";

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// 503, as S3 answers when it is busy.
    Busy,
    /// The connection is closed without an answer.
    Closed,
    /// The request is done, but its answer is lost.
    Lost,
    /// The answer comes late.
    Late(Duration),
}

/// A running server; it stops when it is dropped.
pub(crate) struct S3 {
    pub(crate) endpoint: String,
    plan: Arc<Plan>,
    _runtime: Runtime,
}

#[derive(Default)]
struct Plan {
    /// Faults of the next requests.
    next: Mutex<VecDeque<Fault>>,
    /// The fault of all requests after those.
    rest: Mutex<Option<Fault>>,
    /// Method and path of each request.
    seen: Mutex<Vec<String>>,
}

struct Broken {
    service: S3Service,
    plan: Arc<Plan>,
}

type Answer<T> = std::pin::Pin<Box<dyn Future<Output = Result<T, Box<dyn std::error::Error + Send + Sync>>> + Send>>;

impl Service<Request<Incoming>> for Broken {
    type Response = Response<s3s::Body>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Answer<Self::Response>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let range = request.headers().get("range").map(|range| format!(" {}", range.to_str().unwrap()));
        self.plan.seen.lock().push(format!("{} {}{}", request.method(), request.uri(), range.unwrap_or_default()));
        let planned = self.plan.next.lock().pop_front();
        let fault = planned.or(*self.plan.rest.lock()).unwrap_or(Fault::None);
        let service = self.service.clone();
        Box::pin(async move {
            match fault {
                Fault::None | Fault::Lost => {}
                Fault::Busy => {
                    let body =
                        "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";
                    return Ok(Response::builder().status(503).body(s3s::Body::from(body.to_owned()))?);
                }
                Fault::Closed => return Err("closed on purpose".into()),
                Fault::Late(time) => {
                    let _ = tokio::time::timeout(time, std::future::pending::<()>()).await;
                }
            }
            let answer = service.call(request.map(s3s::Body::from)).await;
            if fault == Fault::Lost {
                return Err("lost on purpose".into());
            }
            answer.map_err(|error| format!("{error:?}").into())
        })
    }
}

impl S3 {
    /// Serves the directories in `root` as buckets.
    pub(crate) fn start(root: &Path) -> S3 {
        let service = {
            let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).unwrap());
            builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
            builder.build()
        };
        let plan = Arc::new(Plan::default());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let shared = plan.clone();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let broken = Broken { service: service.clone(), plan: shared.clone() };
                tokio::spawn(async move {
                    let server = auto::Builder::new(TokioExecutor::new());
                    // A connection that breaks on purpose ends with an error.
                    let _ = server.serve_connection(TokioIo::new(stream), broken).await;
                });
            }
        });
        S3 { endpoint, plan, _runtime: runtime }
    }

    /// Sets what happens to the next requests, and to those after.
    pub(crate) fn plan(&self, next: &[Fault], rest: Fault) {
        *self.plan.next.lock() = next.iter().copied().collect();
        *self.plan.rest.lock() = Some(rest);
    }

    /// Method, path and range of the requests since the last call.
    pub(crate) fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.plan.seen.lock())
    }
}
