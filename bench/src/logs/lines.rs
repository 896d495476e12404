//! Made-up log lines: the same on every machine and in every run. 55 of 100 lines are JSON, the others plain or logfmt; each has
//! a random id.

/// splitmix64: the same lines on every machine.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}

const LEVELS: [&str; 8] = ["INFO", "INFO", "INFO", "INFO", "INFO", "DEBUG", "WARN", "ERROR"];
const PATHS: [&str; 6] = ["/api/v1/items", "/api/v1/orders", "/login", "/api/v1/users", "/health", "/api/v2/search"];

fn clock_text(nanos: i64) -> String {
    let of_day = nanos / 1_000_000 % 86_400_000;
    let (h, m, s, ms) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1000 % 60, of_day % 1000);
    format!("{h:02}:{m:02}:{s:02}.{ms:03}")
}

/// A line of a stream; the first 11 of 20 write JSON.
pub(super) fn line(stream: usize, time: i64, random: &mut Random, out: &mut String) {
    use std::fmt::Write;
    out.clear();
    let (id, level) = ((u128::from(random.next()) << 64) | u128::from(random.next()), random.pick(&LEVELS));
    let scale = 4 + random.below(15);
    let micros = random.below(1 << scale) + 100;
    let user = random.below(20_000);
    let path = random.pick(&PATHS);
    let clock = clock_text(time);
    let written = if stream % 20 < 11 {
        let status = random.pick(&[200, 200, 200, 200, 201, 204, 301, 400, 404, 500, 503]);
        let message = match random.below(4) {
            0 => "request completed".to_owned(),
            1 => format!("request completed after {} attempts", random.below(4) + 1),
            2 => format!("cache miss for item {}", random.below(100_000)),
            _ => "upstream answered, sending response to client".to_owned(),
        };
        write!(
            out,
            "{{\"timestamp\":\"2025-11-22T{clock}Z\",\"level\":\"{level}\",\"logger\":\"app.http.access\",\"message\":\"{message}\",\"service_name\":\"service-{stream:02}\",\"method\":\"{}\",\"path\":\"{path}/{}\",\"status\":{status},\"duration_ms\":{}.{:03},\"user_id\":\"user-{user:05}\",\"bytes\":{},\"trace_id\":\"{id:032x}\",\"region\":\"eu-west-1\"}}",
            random.pick(&["GET", "GET", "POST", "PUT"]),
            random.below(5000),
            micros / 1000,
            micros % 1000,
            random.below(65_536),
        )
    } else {
        match random.below(3) {
            0 => write!(
                out,
                "2025-11-22 {clock} {level} [worker-{}] com.example.orders.OrderService - processed order {} for user-{user:05} in {} ms, request id {id:032x}, cart of {} items, payment accepted by provider",
                random.below(16),
                random.below(1_000_000),
                micros / 10,
                random.below(9) + 1
            ),
            1 => write!(
                out,
                "10.{}.{}.{} - - [22/Nov/2025:{} +0000] \"GET {path}/{} HTTP/1.1\" 200 {} \"-\" \"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)\" {id:032x}",
                random.below(4),
                random.below(256),
                random.below(256),
                &clock[..8],
                random.below(5000),
                random.below(65_536)
            ),
            _ => write!(
                out,
                "time=2025-11-22T{clock}Z level={} component=scheduler msg=\"job finished, releasing the lock\" job=job-{} took={}ms id={id:032x} queue=default attempt={} host=node-{:02}.example.internal",
                level.to_lowercase(),
                random.below(500),
                micros / 10,
                random.below(3),
                random.below(12)
            ),
        }
    };
    written.expect("a string takes all text");
}
