//! Long-lived connections over two real shards: spread by hand-over, counted once.

mod harness;

use harness::Gateway;

const CONNECTIONS: usize = 120;

/// Opens connections that stay; how many each shard has then, and how many were handed over.
fn spread(rebalances: bool) -> (Vec<u64>, u64) {
    let gateway = Gateway::start(&format!(
        r#"
[process]
shards = [0, 1]
rebalance_connections = {rebalances}

[admin]
address = "127.0.0.1:0"

[[listener]]
name = "public"
address = "127.0.0.1:0"

[[api]]
name = "main"

[[api.route]]
key = "GET /"
mock = {{ body = "ok" }}
"#
    ));
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        // One after the other: with its answer a connection has arrived where it stays.
        let mut client = gateway.connect();
        assert_eq!(client.request("GET", "/").status, 200);
        clients.push(client);
    }
    let metrics = gateway.ask_admin("/metrics");
    let values = |name: &str| -> Vec<u64> {
        let lines = metrics.text().lines().filter_map(|line| line.strip_prefix(name));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect()
    };
    let accepted: u64 = values("shardgate_connections_accepted_total").iter().sum();
    assert_eq!(accepted, CONNECTIONS as u64, "each is accepted once: {}", metrics.text());
    let handed_over = values("shardgate_connections_handed_over_total{").iter().sum();
    assert_eq!(values("shardgate_connections_received_total{").iter().sum::<u64>(), handed_over);
    drop(clients);
    (values("shardgate_connections{"), handed_over)
}

#[test]
fn rebalancing_keeps_the_shards_within_the_bound_of_each_other() {
    let (counts, _) = spread(true);
    let [one, other] = counts[..] else { panic!("{counts:?}") };
    assert_eq!(one + other, CONNECTIONS as u64);
    let lead_max = 8.max(one.min(other) / 10) + 1;
    assert!(one.abs_diff(other) <= lead_max, "{one} and {other}");
}

#[test]
fn without_rebalancing_connections_stay_where_they_were_accepted() {
    let (counts, handed_over) = spread(false);
    assert_eq!(counts.iter().sum::<u64>(), CONNECTIONS as u64);
    assert_eq!(handed_over, 0);
}
