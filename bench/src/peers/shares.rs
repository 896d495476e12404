//! Where our own time goes in a query, as its explanation says.

use std::fmt::Write;

use anyhow::Context;
use serde_json::Value;

use super::Figures;
use super::queries::Query;
use super::servers::Server;

/// Seconds of one query. Series are read by several threads, whose time is added up in `decode`.
#[derive(Clone, Debug)]
pub(super) struct Share {
    name: &'static str,
    select: f64,
    decode: f64,
    evaluate: f64,
    encode: f64,
}

/// Asks for explanations. The second answer counts, as the first may have found an empty cache.
pub(super) fn ask(server: &Server, queries: &[Query]) -> anyhow::Result<Vec<Share>> {
    let mut connection = server.connect()?;
    let mut shares = Vec::new();
    for query in queries.iter().filter(|q| q.path.starts_with("/api/v1/query")) {
        let path = format!("{}&explain=1", query.path);
        connection.get(&path)?;
        let answer: Value = serde_json::from_slice(&connection.get(&path)?.body).context("read an explanation")?;
        let explain = &answer["data"]["explain"];
        let seconds =
            |key: &str| explain["seconds"][key].as_f64().with_context(|| format!("no {key} in an explanation"));
        let (mut select, mut decode) = (0.0, 0.0);
        add_reads(&explain["tree"], &mut select, &mut decode);
        shares.push(Share {
            name: query.name,
            select,
            decode,
            evaluate: seconds("evaluate")?,
            encode: seconds("encode")?,
        });
    }
    Ok(shares)
}

fn add_reads(node: &Value, select: &mut f64, decode: &mut f64) {
    for read in node["reads"].as_array().into_iter().flatten() {
        *select += read["selectSeconds"].as_f64().unwrap_or_default();
        *decode += read["decodeSeconds"].as_f64().unwrap_or_default();
    }
    for child in node["children"].as_array().into_iter().flatten() {
        add_reads(child, select, decode);
    }
}

/// The table; empty where our server was not asked.
pub(super) fn table(measured: &[Figures]) -> String {
    let mut out = String::new();
    for share in measured.iter().flat_map(|figures| &figures.shares) {
        if out.is_empty() {
            out.push_str("\nAfferent, ms: evaluation includes finding and reading; reading adds up all threads:\n\n");
            out.push_str(
                "| query | finding series | reading and decoding | evaluation | encoding |\n|---|---|---|---|---|\n",
            );
        }
        let ms = |seconds: f64| seconds * 1e3;
        let (select, decode) = (ms(share.select), ms(share.decode));
        let (evaluate, encode) = (ms(share.evaluate), ms(share.encode));
        let _ = writeln!(out, "| {} | {select:.2} | {decode:.2} | {evaluate:.2} | {encode:.2} |", share.name);
    }
    out
}
