//! The binary: command line, assembly, start and orderly stop. Exit status 0 is success, 1 a problem that was found, 2 wrong usage.

mod alert_files;
mod alert_house;
mod check;
mod classic_ports;
mod cli;
mod client;
mod data_dir;
mod export;
mod import;
mod log_house;
mod logging;
mod memory;
mod named_files;
mod offline;
mod open_files;
mod own_logs;
mod query;
mod reload;
mod rule_files;
mod ruler;
mod serve;
mod settings;
mod ship;
mod shipping;
mod status;
mod table;
mod targets;
mod test;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command, QueryLanguage};

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Every TLS client of the process takes its cryptography from here.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        return fail("the TLS provider was installed twice");
    }
    if let Command::Serve(args) = &cli.command {
        memory::prepare_allocator(args.memory);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(format_args!("cannot start worker threads: {error}")),
    };
    let outcome = runtime.block_on(async {
        match cli.command {
            Command::Serve(args) => serve::run(*args).await.map(|()| true),
            Command::Check(args) => check::run(&args),
            Command::Test(what) => in_the_background(move || test::run(&what)).await,
            Command::Query(QueryLanguage::Promql(args)) => query::run(&args).await.map(|()| true),
            Command::Status(args) => status::run(&args).await,
            Command::Import(what) => in_the_background(move || import::run(&what)).await,
            Command::Export(args) => in_the_background(move || export::run(&args)).await,
            Command::Ship(args) => ship::run(&args).await.map(|()| true),
            Command::Version => print_version().map(|()| true),
        }
    });
    // Blocking work that was abandoned must not hold up the exit.
    runtime.shutdown_background();
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => fail(told(&error)),
    }
}

/// An error with its causes, without those that the text before has named already.
fn told(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

/// Work that blocks and may itself wait for a runtime of its own.
async fn in_the_background<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await?
}

#[allow(clippy::print_stderr)] // the last word of a command line tool
fn fail(reason: impl std::fmt::Display) -> ExitCode {
    eprintln!("error: {reason}");
    ExitCode::FAILURE
}

fn print_version() -> anyhow::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "afferent {} (revision {}), answers as Prometheus {}",
        api::APPLICATION_VERSION,
        api::REVISION,
        api::COMPATIBLE_VERSION
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn causes_are_named_once() {
        let cause = || std::io::Error::other("no such device");
        let error = anyhow::Error::new(metrics::StoreError::Io { action: "open", path: "d".into(), source: cause() });
        assert_eq!(told(&error).matches("no such device").count(), 1);
        let error = Err::<(), _>(cause()).context("cannot start").unwrap_err();
        assert_eq!(told(&error), "cannot start: no such device");
    }
}
