//! Mail over TLS, to a small server in this process: STARTTLS and TLS from the beginning, every mechanism of AUTH, and what must
//! not happen when someone stands in between.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use alerting::Outcome;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::receivers::send;

/// The challenge and the secret of RFC 2195.
const CHALLENGE: &str = "<1896.697170952@postoffice.reston.mci.net>";
const SECRET: &str = "tanstaaftanstaaf";

#[derive(Clone, Copy, Default)]
struct Behaviour {
    implicit_tls: bool,
    /// What is offered after TLS has begun.
    auth: &'static str,
    /// A man in the middle adds an answer behind that to STARTTLS.
    injects: bool,
}

/// What a server heard: in the clear, and under TLS.
#[derive(Default)]
struct Heard {
    plain: Vec<String>,
    secret: Vec<String>,
}

struct Mailer {
    port: u16,
    ca: tempfile::NamedTempFile,
    heard: Arc<Mutex<Heard>>,
}

fn server(behaviour: Behaviour) -> Mailer {
    let made = rcgen::generate_simple_self_signed(vec!["mail.test".to_owned()]).unwrap();
    let mut ca = tempfile::NamedTempFile::new().unwrap();
    ca.write_all(made.cert.pem().as_bytes()).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, heard) = (listener.local_addr().unwrap().port(), Arc::<Mutex<Heard>>::default());
    let known = heard.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            // What goes wrong ends the conversation; the client says what it makes of that.
            let _ = serve(stream, behaviour, &config, &known);
        }
    });
    Mailer { port, ca, heard }
}

fn serve(
    stream: TcpStream,
    behaviour: Behaviour,
    config: &Arc<ServerConfig>,
    heard: &Mutex<Heard>,
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(std::time::Duration::from_secs(10)))?;
    if !behaviour.implicit_tls {
        let mut writer = stream.try_clone()?;
        writer.write_all(b"220 mail.test\r\n")?;
        // Byte by byte, so that nothing of the handshake is read too early.
        let mut reader = BufReader::with_capacity(1, stream.try_clone()?);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            heard.lock().unwrap().plain.push(line.trim_end().to_owned());
            if line.starts_with("EHLO") {
                writer.write_all(b"250-mail.test\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n")?;
            } else if line.starts_with("STARTTLS") {
                let injected = if behaviour.injects { "250-mail.test\r\n250 AUTH PLAIN\r\n" } else { "" };
                writer.write_all(format!("220 go ahead\r\n{injected}").as_bytes())?;
                break;
            } else {
                writer.write_all(b"530 STARTTLS first\r\n")?;
            }
        }
    }
    let mut tls = BufReader::new(StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream));
    if behaviour.implicit_tls {
        tls.get_mut().write_all(b"220 mail.test\r\n")?;
    }
    converse(&mut tls, behaviour, heard)
}

fn converse<S: Read + Write>(
    tls: &mut BufReader<S>,
    behaviour: Behaviour,
    heard: &Mutex<Heard>,
) -> std::io::Result<()> {
    let hear = |tls: &mut BufReader<S>| -> std::io::Result<String> {
        let mut line = String::new();
        if tls.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end().to_owned();
        heard.lock().unwrap().secret.push(line.clone());
        Ok(line)
    };
    loop {
        let line = hear(tls)?;
        let answer = match line.split(' ').next().unwrap_or_default() {
            "EHLO" => format!("250-mail.test\r\n250 AUTH {}\r\n", behaviour.auth),
            "AUTH" if line.ends_with("CRAM-MD5") => {
                let challenge = format!("334 {}\r\n", BASE64_STANDARD.encode(CHALLENGE));
                tls.get_mut().write_all(challenge.as_bytes())?;
                hear(tls)?;
                "235 in\r\n".to_owned()
            }
            "AUTH" if line.ends_with("LOGIN") => {
                for _ in 0..2 {
                    tls.get_mut().write_all(b"334 VXNlcm5hbWU6\r\n")?;
                    hear(tls)?;
                }
                "235 in\r\n".to_owned()
            }
            "AUTH" => "235 in\r\n".to_owned(),
            "DATA" => {
                tls.get_mut().write_all(b"354 go on\r\n")?;
                while hear(tls)? != "." {}
                "250 taken\r\n".to_owned()
            }
            "QUIT" => return Ok(()),
            _ => "250 fine\r\n".to_owned(),
        };
        tls.get_mut().write_all(answer.as_bytes())?;
    }
}

fn settings(port: u16, ca: &Path, more: &str) -> String {
    format!(
        "  email_configs: [{{to: ann@x.org, from: am@z.org, smarthost: '127.0.0.1:{port}', auth_username: tim, text: 'words of a secret', tls_config: {{ca_file: {}, server_name: mail.test}}{more}}}]\n",
        ca.display()
    )
}

#[tokio::test]
async fn what_is_secret_is_said_under_tls() {
    let encoded = |text: &str| BASE64_STANDARD.encode(text);
    let cram = encoded("tim b913a602c7eda7a495b4e6e7334d3890");
    let cases = [
        (
            false,
            "CRAM-MD5 PLAIN",
            format!(", auth_secret: {SECRET}, auth_password: pw"),
            vec!["AUTH CRAM-MD5".to_owned(), cram],
        ),
        (
            false,
            "LOGIN PLAIN",
            ", auth_password: pw".to_owned(),
            vec!["AUTH LOGIN".to_owned(), encoded("tim"), encoded("pw")],
        ),
        (
            true,
            "PLAIN LOGIN",
            ", auth_password: pw, force_implicit_tls: true".to_owned(),
            vec![format!("AUTH PLAIN {}", encoded("\0tim\0pw"))],
        ),
    ];
    for (implicit_tls, auth, more, expected) in cases {
        let mailer = server(Behaviour { implicit_tls, auth, injects: false });
        let outcome = send(&settings(mailer.port, mailer.ca.path(), &more), false).await;
        assert!(matches!(outcome, Outcome::Delivered(_)), "{auth}: {outcome:?}");
        let heard = mailer.heard.lock().unwrap();
        let clear: &[&str] = if implicit_tls { &[] } else { &["EHLO localhost", "STARTTLS"] };
        assert_eq!(heard.plain, clear, "{auth}");
        let secret = heard.secret.join("\n");
        assert!(secret.contains(&expected.join("\n")) && secret.contains("words of a secret"), "{auth}:\n{secret}");
    }
}

#[tokio::test]
async fn nobody_in_between_is_trusted() {
    let own = server(Behaviour { auth: "PLAIN", ..Behaviour::default() });
    let other = server(Behaviour { auth: "PLAIN", ..Behaviour::default() });
    // Signed by someone else; of another name.
    let wrong_name = settings(own.port, own.ca.path(), ", auth_password: pw").replace("mail.test", "other.test");
    for text in [settings(own.port, other.ca.path(), ", auth_password: pw"), wrong_name] {
        let outcome = send(&text, false).await;
        assert!(matches!(&outcome, Outcome::Retry { reason, .. } if reason.contains("TLS")), "{outcome:?}");
    }
    assert!(own.heard.lock().unwrap().secret.is_empty());
    // What was said before TLS began does not count after it (CVE-2011-0411 the other way round).
    let injecting = server(Behaviour { auth: "LOGIN", injects: true, ..Behaviour::default() });
    let outcome = send(&settings(injecting.port, injecting.ca.path(), ", auth_password: pw"), false).await;
    let heard = injecting.heard.lock().unwrap();
    assert!(!heard.plain.iter().chain(&heard.secret).any(|line| line.starts_with("AUTH PLAIN")), "{outcome:?}");
}
