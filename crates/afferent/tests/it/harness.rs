//! Starts the real binary, asks it over HTTP, ends it by its process id.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// A running server with its own configuration and data, ended when it is dropped.
pub(crate) struct Server {
    /// `http://127.0.0.1:PORT`
    pub(crate) url: String,
    child: Child,
    directory: TempDir,
}

impl Server {
    /// Starts a server with this `prometheus-config.yaml` and waits until it is ready.
    pub(crate) fn start(config: &str) -> Self {
        Server::start_with(config, &[])
    }

    /// The same with more on its command line.
    pub(crate) fn start_with(config: &str, more: &[&str]) -> Self {
        Server::start_as(config, Command::new(env!("CARGO_BIN_EXE_afferent")), &[], more)
    }

    /// The same with more files beside the configuration, by name and text.
    pub(crate) fn start_with_files(config: &str, files: &[(&str, &str)], more: &[&str]) -> Self {
        Server::start_as(config, Command::new(env!("CARGO_BIN_EXE_afferent")), files, more)
    }

    /// The same with a memory budget and a limit of its address space, in bytes.
    pub(crate) fn start_limited(config: &str, budget: u64, address_space: u64) -> Self {
        let mut shell = Command::new("sh");
        let kib = address_space >> 10;
        shell.arg("-c").arg(format!("ulimit -v {kib} && exec \"$0\" \"$@\"")).arg(env!("CARGO_BIN_EXE_afferent"));
        Server::start_as(config, shell, &[], &["--memory", &budget.to_string()])
    }

    fn start_as(config: &str, command: Command, files: &[(&str, &str)], more: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(directory.path().join("prometheus-config.yaml"), config).expect("the configuration is written");
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).expect("a file is written");
        }
        let address = format!("127.0.0.1:{}", free_port());
        let (url, child) = spawn(command, directory.path(), &address, more);
        let server = Server { url, child, directory };
        server.wait_until_ready();
        server
    }

    /// Ends the process as a power cut would, leaving its files.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("the process ends");
    }

    /// Starts a killed server again on the same data, at the same address.
    pub(crate) fn restart(&mut self) {
        let address = self.url.trim_start_matches("http://").to_owned();
        let command = Command::new(env!("CARGO_BIN_EXE_afferent"));
        (self.url, self.child) = spawn(command, self.directory.path(), &address, &[]);
        self.wait_until_ready();
    }

    /// The directory that holds `prometheus-config.yaml` and `data`.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The process.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// The parsed answer to `/api/v1/query` at a time given in seconds.
    pub(crate) fn query(&self, expression: &str, time: f64) -> Value {
        let (status, body) =
            http_get(&self.url, &format!("/api/v1/query?query={}&time={time}", url_encode(expression)));
        assert_eq!(status, 200, "{expression}: {body}");
        body["data"]["result"].clone()
    }

    fn wait_until_ready(&self) {
        let ready =
            wait_for(Duration::from_secs(30), || raw_get(&self.url, "/-/ready").is_ok_and(|(status, _)| status == 200));
        assert!(ready, "the server does not become ready");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(mut command: Command, directory: &Path, address: &str, more: &[&str]) -> (String, Child) {
    let child = command
        .arg("serve")
        .arg("--config")
        .arg(directory)
        .arg("--data")
        .arg(directory.join("data"))
        .args(["--listen", address, "--classic-ports", "off"])
        .args(more)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    (format!("http://{address}"), child)
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound address").port()
}

/// Asks again until `done` says yes; false when the time is over.
pub(crate) fn wait_for(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if done() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

/// Status and JSON body of a GET; an answer that is not JSON becomes a string.
pub(crate) fn http_get(url: &str, target: &str) -> (u16, Value) {
    let (status, body) = raw_get(url, target).unwrap_or_else(|e| panic!("GET {target}: {e}"));
    let value =
        serde_json::from_slice(&body).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
    (status, value)
}

/// A GET over a fresh connection.
pub(crate) fn raw_get(url: &str, target: &str) -> std::io::Result<(u16, Vec<u8>)> {
    raw_request(url, "GET", target)
}

/// A request without a body over a fresh connection.
pub(crate) fn raw_request(url: &str, method: &str, target: &str) -> std::io::Result<(u16, Vec<u8>)> {
    raw_send(url, method, target, b"")
}

/// A request over a fresh connection.
pub(crate) fn raw_send(url: &str, method: &str, target: &str, body: &[u8]) -> std::io::Result<(u16, Vec<u8>)> {
    let host = url.trim_start_matches("http://");
    let length = body.len();
    let mut request =
        format!("{method} {target} HTTP/1.0\r\nhost: {host}\r\ncontent-length: {length}\r\n\r\n").into_bytes();
    request.extend_from_slice(body);
    exchange(host, &request)
}

/// One exchange, HTTP/1.0 so that the answer ends with the connection.
fn exchange(host: &str, request: &[u8]) -> std::io::Result<(u16, Vec<u8>)> {
    use std::io::{Error, Read, Write};
    let mut stream = std::net::TcpStream::connect(host)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let head = answer.windows(4).position(|w| w == b"\r\n\r\n").ok_or_else(|| Error::other("no end of headers"))?;
    let status = std::str::from_utf8(&answer[..head]).ok().and_then(|h| h.split(' ').nth(1)?.parse().ok());
    let status = status.ok_or_else(|| Error::other("no status line"))?;
    Ok((status, answer.split_off(head + 4)))
}

/// A POST over a fresh connection.
pub(crate) fn raw_post(url: &str, target: &str, content_type: &str, body: &[u8]) -> std::io::Result<(u16, Vec<u8>)> {
    let host = url.trim_start_matches("http://");
    let mut request = format!(
        "POST {target} HTTP/1.0\r\nhost: {host}\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    exchange(host, &request)
}

/// Percent-encodes all but letters and digits.
pub(crate) fn url_encode(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, b| {
        let _ = if b.is_ascii_alphanumeric() { write!(out, "{}", b as char) } else { write!(out, "%{b:02X}") };
        out
    })
}
