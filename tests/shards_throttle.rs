//! Throttles are exact across two real shards, however the load is spread over them.

mod harness;

use std::time::{Duration, Instant};

use harness::{Answer, Client, Gateway};

const RATE: f64 = 200.0;
const BURST: f64 = 50.0;
/// A pause of the test's own in which the bucket cannot run over: half of what fills it.
const PAUSE_MAX: Duration = Duration::from_millis(125);

fn start() -> Gateway {
    Gateway::start(
        r#"
[process]
shards = [0, 1]

[admin]
address = "127.0.0.1:0"

[[listener]]
name = "public"
address = "127.0.0.1:0"

[[api]]
name = "main"

[[api.route]]
key = "GET /limited"
mock = { body = "ok" }
throttle = { rate_per_second = 200, burst_count = 50 }
"#,
    )
}

/// How many connections each shard has.
fn spread(gateway: &Gateway) -> Vec<u64> {
    let metrics = gateway.ask_admin("/metrics");
    let lines =
        metrics.text().lines().filter_map(|line| line.strip_prefix("shardgate_connections{"));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect()
}

/// Asks on the connections in turn, without a pause, until the law allows 200 grants above the
/// burst; checks the grants against what the law allows for the time that it took.
fn check_law(clients: &mut [Client]) {
    let connections_count = clients.len();
    let began = Instant::now();
    let (mut granted, mut refused, mut idle) = (0_u32, 0_u32, Duration::ZERO);
    let (mut last, mut turn) = (began, 0);
    while began.elapsed().as_secs_f64() * RATE < 200.0 {
        let client = &mut clients[turn % connections_count];
        turn += 1;
        let answer = client.request("GET", "/limited");
        let now = Instant::now();
        // While this thread was not asking, tokens may have run over: they are nobody's fault.
        idle += now.duration_since(last).checked_sub(PAUSE_MAX).unwrap_or_default();
        last = now;
        match answer.status {
            200 => granted += 1,
            429 => {
                refused += 1;
                check_refusal(&answer);
            }
            other => panic!("{other}: {}", answer.head),
        }
    }
    let allowed = |seconds: f64| BURST + RATE * seconds;
    let most = allowed(began.elapsed().as_secs_f64());
    let due = allowed(last.duration_since(began).saturating_sub(idle).as_secs_f64());
    assert!(refused > 0, "the load was not above the rate: {granted} granted");
    assert!(f64::from(granted) <= most, "{granted} granted, {most} allowed");
    // Less one for the token that is under way when the last request is answered.
    assert!(f64::from(granted) >= 0.97 * due - 1.0, "{granted} granted, {due} due");
}

fn check_refusal(answer: &Answer) {
    let retry_after = answer.header("retry-after").and_then(|text| text.parse::<u64>().ok());
    assert_eq!(retry_after, Some(1), "{}", answer.head);
    assert!(answer.text().contains("Too Many Requests"), "{}", answer.text());
}

#[test]
fn all_load_on_one_shard_gets_the_whole_rate_and_no_more() {
    let gateway = start();
    check_law(&mut [gateway.connect()]);
}

#[test]
fn load_on_both_shards_gets_the_rate_once() {
    let gateway = start();
    let mut clients: Vec<_> = (0..40).map(|_| gateway.connect()).collect();
    for client in &mut clients {
        client.request("GET", "/nothing");
    }
    let spread = spread(&gateway);
    assert!(spread.len() == 2 && spread.iter().all(|count| *count > 0), "{spread:?}");
    check_law(&mut clients);
}

/// A request that one limit refuses costs nothing at another.
#[test]
fn a_refused_request_takes_no_token_of_the_account() {
    let gateway = Gateway::start(
        r#"
[process]
shards = [0, 1]

[[listener]]
name = "public"
address = "127.0.0.1:0"

[account.throttle]
rate_per_second = 0
burst_count = 40

[[api]]
name = "main"

[[api.route]]
key = "GET /closed"
mock = { body = "no" }
throttle = { rate_per_second = 0, burst_count = 0 }

[[api.route]]
key = "GET /open"
mock = { body = "yes" }
"#,
    );
    let mut clients: Vec<_> = (0..30).map(|_| gateway.connect()).collect();
    for _ in 0..5 {
        for client in &mut clients {
            assert_eq!(client.request("GET", "/closed").status, 429);
        }
    }
    let mut granted = 0;
    for _ in 0..3 {
        for client in &mut clients {
            granted += u32::from(client.request("GET", "/open").status == 200);
        }
    }
    assert_eq!(granted, 40);
}
