# SPDX-License-Identifier: Apache-2.0
"""Puts questions to two servers and says what is left unexplained."""

import time

import asking
import message
from compare import cut_differences, differences
from explained import explain

PAUSE_S = 1.0  # before what differs is asked again


def parsed(wire):
    """A Reply, None for no reply; what is no message has the rcode MALFORMED."""
    if wire is None:
        return None
    try:
        return message.parse(wire)
    except message.Malformed as e:
        return message.Reply(rcode="MALFORMED (%s)" % e)


class Judge:
    """servers: the reference (CoreDNS) and the one that is judged."""

    glue_counts = False
    pause_s = PAUSE_S

    def __init__(self, servers, facts):
        self.ports = [server.port for server in servers]
        self.facts = facts
        facts.right = self.right

    def all(self, questions):
        """[(question, ids of explanations, differences, [(whose, reply)])] in order. What
        differs, and what neither replied to, counts only if it is so once more after a pause: a
        watch may have been late, and a busy machine loses datagrams."""
        verdicts = self.round(questions, 1)
        doubtful = [i for i, verdict in enumerate(verdicts) if self.is_doubtful(verdict)]
        if doubtful:
            time.sleep(self.pause_s)
            self.facts.forget()
            for i, verdict in zip(doubtful, self.round([questions[i] for i in doubtful], asking.PATIENCE)):
                verdicts[i] = verdict
        return verdicts

    @staticmethod
    def is_doubtful(verdict):
        _, ids, found, replies = verdict
        return bool(found) or bool(replies) and not ids and all(reply is None for _, reply in replies)

    def round(self, questions, patience):
        wires = [asking.ask_all(port, questions, patience) for port in self.ports]
        return [self.verdict(*each) for each in zip(questions, *wires)]

    def verdict(self, question, one, other):
        if one is not None and other is not None and one[2:] == other[2:] and self.same_is_right(question):
            return question, [], [], ()
        one, other = parsed(one), parsed(other)
        ids, found, right = self.judge(question, one, other)
        return question, ids, found, (("CoreDNS", one), ("right", right if ids else None), ("Binnacle", other))

    def same_is_right(self, question):
        """Equal bytes are wrong where CoreDNS is."""
        return False

    def right(self, question, reply):
        return explain(question, reply, self.facts)

    def judge(self, question, reference, judged):
        """(ids, differences, the right reply)"""
        if any(reply is not None and "tc" in reply.flags for reply in (reference, judged)):
            return self.judge_cut(question, judged, reference)
        right, ids = self.right(question, reference)
        found = differences(question, right, judged)
        if found and all(phrase.startswith("additional: no ") for phrase in found) and not question.tcp:
            return self.judge_cut(question, judged, reference)
        return ids, found, right

    def judge_cut(self, question, judged, reference):
        """The whole reply must be right, and the cut one a fair part of it."""
        over_tcp = question.with_(tcp=True)
        whole, judged_whole = (parsed(asking.ask_one(port, over_tcp)) for port in self.ports)
        right, ids = self.right(over_tcp, whole)
        found = ["over TCP, " + phrase for phrase in differences(over_tcp, right, judged_whole)]
        if judged is None or judged_whole is None:
            return ids, found + ["no reply"] * (judged is None), right
        found += cut_differences(question, judged, judged_whole, self.glue_counts)
        if reference is not None and not self.glue_counts and ("tc" in judged.flags) != ("tc" in reference.flags):
            ids = ids + ["tc-of-glue"]
        return ids, found, right


class SameServer(Judge):
    """For a server put against itself: nothing is explained."""

    glue_counts = True

    def same_is_right(self, question):
        return True

    def right(self, question, reply):
        return reply, []


def same_server(servers, facts):
    return SameServer(servers, facts)
