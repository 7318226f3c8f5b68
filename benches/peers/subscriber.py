"""The subscriber that a careful engineer writes in an afternoon: acknowledges after the commit, in batches.

Arguments: port of the broker, path of the database. Stops on SIGTERM after the batch in hand.
"""

import json
import queue
import signal
import sqlite3
import sys

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

BATCH = 2_000
FILTER = "lift/v1/+/+/+/event"
INSERT = "insert or ignore into event (unit, boot, seq, topic, payload) values (?, ?, ?, ?, ?)"

arrived = queue.SimpleQueue()
connections = 0
stopping = False


def on_connect(client, _userdata, flags, reason, _properties):
    global connections
    connections += 1
    if reason.is_failure:
        print(f"refused: {reason}", file=sys.stderr)
    elif not flags.session_present:
        client.subscribe(FILTER, qos=1)


def on_message(_client, _userdata, message):
    arrived.put((connections, message))


def stop(_signal, _frame):
    global stopping
    stopping = True
    arrived.put(None)


def connect(port):
    client = mqtt.Client(
        mqtt.CallbackAPIVersion.VERSION2, client_id="subscriber", protocol=mqtt.MQTTv5, manual_ack=True
    )
    client.on_connect = on_connect
    client.on_message = on_message
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = 0xFFFFFFFF
    properties.ReceiveMaximum = 8_192
    client.connect("127.0.0.1", port, keepalive=60, clean_start=False, properties=properties)
    client.loop_start()
    return client


def gather():
    """Everything that has arrived, at least one message; nothing only when the end has come."""
    batch = []
    entry = arrived.get()
    while entry is not None:
        batch.append(entry)
        if len(batch) == BATCH:
            break
        try:
            entry = arrived.get_nowait()
        except queue.Empty:
            break
    return batch


def row(message):
    event = json.loads(message.payload)
    unit = message.topic.split("/")[4]
    return (unit, event["boot"], event["seq"], message.topic, message.payload)


def main():
    port, path = int(sys.argv[1]), sys.argv[2]
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("pragma journal_mode = wal")
    database.execute("pragma synchronous = full")
    database.execute(
        "create table if not exists event (id integer primary key, unit text not null, boot text not null,"
        " seq integer not null, topic text not null, payload blob not null, unique (unit, boot, seq))"
    )
    signal.signal(signal.SIGTERM, stop)
    client = connect(port)
    while not stopping:
        batch = gather()
        if not batch:
            break
        database.execute("begin immediate")
        database.executemany(INSERT, [row(message) for _, message in batch])
        database.execute("commit")
        for connection, message in batch:
            # An id of an earlier connection may mean another message by now; the broker sends that one again.
            if connection == connections:
                client.ack(message.mid, message.qos)
    client.disconnect()
    client.loop_stop()
    database.close()


if __name__ == "__main__":
    main()
