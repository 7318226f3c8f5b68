"""The daemon: does everything that lifts tell reach the disk, and everybody who must be told hear of it?"""

from panels import Board, GREEN, GREY, ORANGE, RED, link, says, steps
from words import EVENTS, names

REGION = 'region=~"$region"'
# Stands for "no certificate at all"; further away than any certificate lasts.
NEVER = 10**10


def board():
    made = Board("liftwatch-daemon", "liftwatch 守护进程", "The daemon",
                 "电梯说的都落盘了吗？该通知的人都通知了吗？· Is all that lifts tell on disk, and is everybody told?")
    made.datasource()
    made.variable("region", "区域 · Region", "label_values(liftwatch_mqtt_connected, region)")
    made.home()
    made.range = "now-1h"
    first(made)
    coming_in(made)
    stored(made)
    told(made)
    machine(made)
    watched(made)
    return made


def p99(metric, by=""):
    labels = f"{{{REGION}}}" if by else ""
    groups = f"le, {by}" if by else "le"
    return f"histogram_quantile(0.99, sum by ({groups}) (rate(liftwatch_{metric}_bucket{labels}[$__rate_interval])))"


def first(made):
    made.stat(
        ("消息服务器连接", "Broker links"),
        ("所选区域中连接着的会话；全部连通才为正常。", "Sessions of the chosen regions; all must stand."),
        [(f"min(liftwatch_mqtt_connected{{{REGION}}})", "")], thresholds=steps((None, RED), (1, GREEN)),
        mappings=[says(1, "全部连通 · all up", GREEN), says(0, "有断开 · one is down", RED)], width=5)
    made.stat(
        ("提交时间", "Commit time"),
        ("事务从开始到落盘：一半与 99%。", "From the begin of a transaction to the disk: half of them, and 99 of 100."),
        [("histogram_quantile(0.5, sum by (le) (rate(liftwatch_commit_seconds_bucket[$__rate_interval])))", "50 %"),
         (p99("commit_seconds"), "99 %")], unit="s", decimals=1,
        thresholds=steps((None, GREEN), (0.5, ORANGE), (2, RED)), width=5, graph=True)
    made.stat(
        ("最久未发出的通知", "Oldest unsent"),
        ("发件箱中最早一条已等待多久。", "How long the oldest entry of the outbox has waited."),
        [("(time() - liftwatch_outbox_oldest_timestamp_seconds) or vector(0)", "")], unit="s", decimals=0,
        thresholds=steps((None, GREEN), (60, ORANGE), (300, RED)), width=5)
    made.stat(
        ("死信", "Dead letters"),
        ("已放弃、等人处理的通知。", "Messages that were given up and wait for a person."),
        [("liftwatch_dead_letters", "")], thresholds=steps((None, GREEN), (1, RED)),
        mappings=[says(0, "0 · 无 none", GREEN)], width=4)
    made.stat(
        ("证书剩余时间", "Certificates"),
        ("连接消息服务器所用的证书中，最早到期的一张还剩多久。",
         "What is left of the certificate that ends first, of those that the daemon uses with brokers."),
        [(f"min(liftwatch_certificate_expiry_timestamp_seconds) - time() or vector({NEVER})", "")], unit="dtdurations",
        thresholds=steps((None, RED), (7 * 86_400, ORANGE), (30 * 86_400, GREEN)),
        mappings=[says(NEVER, "未用证书 · none in use", GREY)], width=5)


def coming_in(made):
    made.lines(
        ("收到的消息", "Messages received"),
        ("每秒从各区域消息服务器收到的消息。", "Messages that each region's broker brings a second."),
        [(f"sum by (region) (rate(liftwatch_region_messages_received_total{{{REGION}}}[$__rate_interval]))",
          "{{region}}")], unit="mps", width=8)
    made.lines(
        ("拒收的消息", "Messages refused"),
        ("每秒进入隔离区的消息，按区域。", "Messages that go to quarantine a second, by region."),
        [(f"sum by (region) (rate(liftwatch_region_messages_rejected_total{{{REGION}}}[$__rate_interval]))",
          "{{region}}")], unit="mps", width=8, links=[link("隔离区 · Quarantine", "/quarantine")])
    made.lines(
        ("延迟（99%）", "Delay, 99 of 100"),
        ("从电梯上的事件到落盘，按电梯的时钟；补传的旧事件也算。",
         "From the event at the unit to the disk, by the unit's clock; what was sent late counts as it is."),
        [(p99("region_event_delay_seconds", "region"), "{{region}}")], unit="s", width=8)


def stored(made):
    made.lines(
        ("落盘的事件", "Events stored"),
        ("每秒写入的事件，按种类。", "Events written a second, by type."),
        [("sum by (type) (rate(liftwatch_events_stored_total[$__rate_interval]))", "{{type}}")], unit="eps", width=8,
        stack=True, overrides=names(EVENTS))
    made.lines(
        ("拒收的原因", "Why messages are refused"),
        ("每秒拒收的消息，按原因；只列出发生过的。", "Refused messages a second by reason, where there were any."),
        [("sum by (reason) (rate(liftwatch_messages_rejected_total[$__rate_interval])) > 0 or "
          "label_replace(vector(0), \"reason\", \"无 · none\", \"\", \"\") unless on () "
          "(sum(rate(liftwatch_messages_rejected_total[$__rate_interval])) > 0)", "{{reason}}")], unit="mps", width=8)
    made.lines(
        ("重复、冲突与缺号", "Duplicates, conflicts, gaps"),
        ("每分钟：重复的事实、标识相同内容不同的消息、编号缺口。",
         "A minute: facts that came again, messages with a known identity and other content, gaps in the numbers."),
        [("60 * rate(liftwatch_duplicates_total[$__rate_interval])", "重复 · duplicates"),
         ("60 * rate(liftwatch_conflicts_total[$__rate_interval])", "冲突 · conflicts"),
         ("60 * rate(liftwatch_sequence_gaps_total[$__rate_interval])", "缺号 · gaps")], unit="cpm", width=8)
    made.lines(
        ("每次提交的消息", "Messages per transaction"),
        ("平均每个事务的消息数；上限 2,000，接近上限说明在追赶积压。",
         "Mean messages of a transaction. At most 2,000; near it, a backlog is being caught up."),
        [("rate(liftwatch_batch_messages_sum[$__rate_interval]) / "
          "rate(liftwatch_batch_messages_count[$__rate_interval])", "消息 · messages")], width=8, decimals=1)
    made.timeline(
        ("各区域连接", "Links by region"),
        ("每个区域与消息服务器的会话。", "The session with each region's broker."),
        [(f"liftwatch_mqtt_connected{{{REGION}}}", "{{region}}")],
        [says(1, "连通 · up", GREEN), says(0, "断开 · down", RED)], width=8, height=8)


def told(made):
    made.lines(
        ("发件箱", "Outbox"),
        ("待分发的告警变化与待发送的通知。", "Transitions to be routed and messages to be sent."),
        [("liftwatch_outbox_entries", "待发 · waiting"), ("liftwatch_dead_letters", "死信 · dead letters")], width=8)
    made.lines(
        ("发送结果", "Deliveries"),
        ("每分钟的发送尝试，按方式与结果。", "Tries to send a minute, by way and outcome."),
        [("60 * sum by (sink, outcome) (rate(liftwatch_deliveries_total[$__rate_interval]))",
          "{{sink}} {{outcome}}")], unit="cpm", width=8)


def machine(made):
    made.lines(
        ("内存、数据库与日志", "Memory, database, log"),
        ("进程占用的内存；数据库文件；预写日志。日志长期不缩小，说明有读取者占着它。",
         "What the process holds; the file; the write-ahead log. A log that never shrinks is held by a reader."),
        [("liftwatch_resident_memory_bytes", "内存 · memory"), ("liftwatch_database_bytes", "数据库 · database"),
         ("liftwatch_wal_bytes", "预写日志 · log")], unit="bytes", width=8)


def watched(made):
    made.lines(
        ("距各区域最近一条消息", "Since each region's last message"),
        ("某个区域长时间没有任何消息，说明那里的线路断了。", "A region that says nothing at all has lost its line."),
        [(f"time() - liftwatch_last_message_timestamp_seconds{{{REGION}}}", "{{region}}")], unit="s", width=8)
    made.lines(
        ("磁盘剩余", "Disk free"),
        ("数据库所在磁盘的剩余空间；用完后消息留在消息服务器上等。",
         "Room on the database's disk; when it is full, messages wait at the broker."),
        [("liftwatch_disk_free_bytes", "剩余 · free")], unit="bytes", width=8)
    made.lines(
        ("时钟偏差", "Clocks"),
        ("各区域时钟与本机之差的绝对值。",
         "How far a region's clock is from ours."),
        [(f"abs(liftwatch_clock_offset_seconds{{{REGION}}})", "{{region}}")], unit="s", width=8)
    made.lines(
        ("账本", "Ledger"),
        ("每分钟新增的条目；距最近一次签名检查点的时间见页面。", "Entries a minute; the checkpoint's age stands on its page."),
        [("60 * deriv(liftwatch_ledger_entries[$__rate_interval])", "条目 · entries"),
         ("(time() - liftwatch_ledger_checkpoint_timestamp_seconds) / 60", "检查点分钟 · checkpoint, minutes")], width=8,
        links=[link("账本 · Ledger", "/ledger")])
