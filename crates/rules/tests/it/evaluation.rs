//! Groups under a virtual clock: states, series, staleness, restored state, notifications.

use std::sync::Arc;

use model::Timestamp;
use rules::{AlertState, Group, GroupSettings, eval_slot, missed_iterations};

use crate::support::{World, environment, group};

const DOWN: &str = "groups: [{name: g, rules: [{alert: Down, expr: up == 0, for: 2m, keep_firing_for: 2m, labels: {s: p}, \
                    annotations: {a: '{{ $labels.i }} {{ $value }} {{ $externalLabels.region }}'}}]}]";

fn at(seconds: i64) -> Timestamp {
    Timestamp(seconds * 1000)
}

fn states(group: &Group) -> Vec<(AlertState, i64)> {
    group.alerts().map(|(_, alert)| (alert.state, alert.active_at.ms() / 1000)).collect()
}

#[test]
fn an_alert_goes_through_its_states_and_tells() {
    let world = Arc::new(World::default());
    let environment = environment(&world);
    let mut group = group(DOWN, true);
    let mut seen = Vec::new();
    for minute in 0..12 {
        world.put(r#"up{i="1"}"#, minute * 60, f64::from(u8::from(!(1..5).contains(&minute))));
        group.evaluate(&environment, at(minute * 60));
        let state = states(&group).first().map(|(state, _)| state.as_str());
        seen.push(state.unwrap_or("-"));
    }
    assert_eq!(
        seen,
        ["-", "pending", "pending", "firing", "firing", "firing", "firing", "-", "-", "-", "-", "-"],
        "fires after 2 m, goes on for 2 m after the condition is gone"
    );
    let pending = r#"{__name__="ALERTS", alertname="Down", alertstate="pending", i="1", s="p"} 1"#;
    let firing = r#"{__name__="ALERTS", alertname="Down", alertstate="firing", i="1", s="p"} 1"#;
    assert_eq!(world.ask("ALERTS", 60), [pending]);
    assert_eq!(world.ask("ALERTS", 180), [firing], "the pending series has gone stale");
    assert_eq!(
        world.ask("ALERTS_FOR_STATE", 240),
        [r#"{__name__="ALERTS_FOR_STATE", alertname="Down", i="1", s="p"} 60"#]
    );
    assert!(world.ask("ALERTS", 7 * 60).is_empty(), "the firing series has gone stale");

    let told = world.told.lock();
    assert_eq!(told[0].starts_at, at(180));
    assert_eq!(told[0].ends_at, at(180 + 240), "may be missed three times");
    assert_eq!(told[0].annotations.get("a"), Some("1 0 eu"));
    assert_eq!(told[0].generator_url, "http://here/graph?g0.expr=up+%3D%3D+0&g0.tab=1");
    let ends: Vec<i64> = told.iter().map(|n| n.ends_at.ms() / 1000).collect();
    // Firing at 180 and, more than a minute later, at 300; then the resolve at once, and again while it is kept.
    assert_eq!(ends, [420, 540, 420, 420, 420], "{told:?}");
}

#[test]
fn a_rule_without_for_fires_at_once_and_limits_hold() {
    let world = Arc::new(World::default());
    let environment = environment(&world);
    let text = "groups: [{name: g, limit: 1, rules: [{alert: A, expr: up == 0}, {record: r, expr: up}]}]";
    let mut group = group(text, true);
    world.put(r#"up{i="1"}"#, 0, 0.0);
    group.evaluate(&environment, at(0));
    assert_eq!(states(&group), [(AlertState::Firing, 0)]);
    world.put(r#"up{i="2"}"#, 60, 0.0);
    group.evaluate(&environment, at(60));
    assert!(states(&group).is_empty());
    let errors: Vec<_> = group.errors().collect();
    assert_eq!(errors, [("A", "exceeded limit of 1 with 2 alerts"), ("r", "exceeded limit of 1 with 2 series")]);
}

#[test]
fn a_reload_keeps_state_and_marks_what_is_gone() {
    let world = Arc::new(World::default());
    let environment = environment(&world);
    let mut old = group(
        "groups: [{name: g, rules: [{alert: A, expr: up == 0, for: 5m}, {record: gone, expr: up}, {record: stays, expr: up}]}]",
        true,
    );
    for minute in 0..3 {
        world.put("up", minute * 60, 0.0);
        old.evaluate(&environment, at(minute * 60));
    }
    let mut new =
        group("groups: [{name: g, rules: [{record: stays, expr: up + 1}, {alert: A, expr: up == 0, for: 3m}]}]", true);
    new.copy_state(&mut old);
    assert_eq!(states(&new), [(AlertState::Pending, 0)]);
    world.put("up", 180, 0.0);
    new.evaluate(&environment, at(180));
    assert_eq!(states(&new), [(AlertState::Firing, 0)], "the time before the reload counts");
    assert!(world.ask("gone", 180).is_empty());
    assert_eq!(world.ask("stays", 180), [r#"{__name__="stays"} 1"#]);
    let mut longer = group("groups: [{name: g, rules: [{alert: A, expr: up == 0, for: 1h}]}]", true);
    longer.copy_state(&mut new);
    world.put("up", 240, 0.0);
    longer.evaluate(&environment, at(240));
    assert_eq!(states(&longer), [(AlertState::Pending, 0)], "a longer hold takes it back");
}

/// Prometheus' table: minutes pending before, minutes down, and how long after the restart the alert fires.
#[test]
fn state_comes_back_after_a_restart() {
    // `for: 25m`, grace 10 m. (pending before, down, minutes until it fires after the restoring evaluation)
    for (pending, down, fires_after) in [(15, 15, 10), (5, 15, 20), (40, 15, 0), (15, 70, 25), (20, 5, 10)] {
        let world = Arc::new(World::default());
        let environment = environment(&world);
        let text =
            "groups: [{name: g, rules: [{alert: A, expr: up == 0, for: 25m, labels: {s: '{{ $value }}', t: u}}]}]";
        let mut before = group(text, true);
        for minute in 0..=pending {
            world.put("up", minute * 60, 0.0);
            before.evaluate(&environment, at(minute * 60));
        }
        let mut after = group(text, false);
        let start = pending + down;
        for minute in start..=start + 40 {
            world.put("up", minute * 60, 0.0);
            after.evaluate(&environment, at(minute * 60));
            if minute == start {
                assert!(after.needs_restore());
                assert!(world.ask("ALERTS", minute * 60).is_empty() || down < 6, "nothing is written before");
                after.restore(&environment, at(minute * 60));
                assert!(!after.needs_restore());
                if fires_after == 0 {
                    after.evaluate(&environment, at(minute * 60 + 1));
                    assert_eq!(states(&after)[0].0, AlertState::Firing);
                    break;
                }
            }
            let firing = states(&after)[0].0 == AlertState::Firing;
            assert_eq!(firing, minute >= start + fires_after, "{pending} {down}: minute {}", minute - start);
        }
    }
}

#[test]
fn query_offset_moves_question_and_answer() {
    let world = Arc::new(World::default());
    let environment = environment(&world);
    let mut group = group("groups: [{name: g, query_offset: 1m, rules: [{record: r, expr: time()}]}]", true);
    group.evaluate(&environment, at(120));
    assert_eq!(world.ask("r", 60), [r#"{__name__="r"} 60"#]);
}

#[test]
fn duplicates_after_labels_are_refused() {
    let world = Arc::new(World::default());
    let environment = environment(&world);
    let text =
        "groups: [{name: g, rules: [{record: r, expr: up, labels: {i: x}}, {alert: A, expr: up, labels: {i: x}}]}]";
    let mut group = group(text, true);
    world.put(r#"up{i="1"}"#, 0, 1.0);
    world.put(r#"up{i="2"}"#, 0, 1.0);
    group.evaluate(&environment, at(0));
    assert_eq!(group.errors().count(), 2);
    assert!(world.ask("r", 0).is_empty());
}

#[test]
fn slots_are_spread_and_stay() {
    let of = |name: &str| GroupSettings {
        language: rules::Language::Promql,
        file: "f.yml".to_owned(),
        config: config::RuleGroupConfig { name: name.to_owned(), ..Default::default() },
        interval_ms: 60_000,
        query_offset_ms: 0,
    };
    let mut offsets = Vec::new();
    for name in ["a", "b", "c", "d"] {
        let slot = eval_slot(Timestamp(1_700_000_000_123), &of(name));
        assert!(slot.ms() <= 1_700_000_000_123 && slot.ms() > 1_700_000_000_123 - 60_000);
        for later in [0, 1, 59_999, 60_000, 7_200_000] {
            let again = eval_slot(slot.plus_ms(later), &of(name));
            assert_eq!((again.ms() - slot.ms()) % 60_000, 0);
            assert_eq!(again.ms(), slot.ms() + later / 60_000 * 60_000);
        }
        offsets.push(slot.ms() % 60_000);
    }
    offsets.sort_unstable();
    offsets.dedup();
    assert_eq!(offsets.len(), 4, "spread over the interval");
    for (now, missed) in [(60, 0), (119, 0), (120, 1), (185, 2), (0, 0)] {
        assert_eq!(missed_iterations(at(0), at(now), 60_000), missed, "{now}");
    }
}
