import random, signal, time
from tests.conftest import wait_until
from tests.integration.consumer.test_group import Member, flow, members
from tests.integration.consumer.conftest import Bench
from sandbox.faults import Rule, Script
from sandbox.proxy import FaultProxy

def test_chaos(bench, members, tmp_path):
    script = Script([Rule(path="/_bulk", probability=0.05, status=503), Rule(path="/_bulk", probability=0.05, lose_answer=True), Rule(path="/_bulk", probability=0.2, delay=1.5)])
    r=random.Random(7)
    with FaultProxy(bench.settings.elasticsearch.url, script) as proxy:
        bench.world.texts["ES_URL_ENDPOINT"]=proxy.url
        bench.world.texts["BULK_MAX_RECORDS"]="40"
        n=0
        end=time.time()+100
        with flow(bench):
            while time.time()<end:
                alive=[m for m in members.values() if m.process.poll() is None]
                if len(alive)<3:
                    n+=1; members[f"m{n}"]=Member(bench,tmp_path,f"m{n}")
                else:
                    m=r.choice(alive); what=r.choice(["term","kill","stop","poison","stop"])
                    print(round(end-time.time()), what, m.log.stem, flush=True)
                    if what=="term": c=m.end(signal.SIGTERM); assert c==0 or (c==-15 and not m.text()), m.text()
                    elif what=="kill": m.end(signal.SIGKILL)
                    elif what=="stop":
                        m.process.send_signal(signal.SIGSTOP); time.sleep(r.choice([1,8,9])); m.process.send_signal(signal.SIGCONT)
                    else: bench.produce_bad([b"bad%d"%i for i in range(3)], partition=r.randrange(3))
                time.sleep(r.choice([0.3,1,3]))
        wait_until(lambda: bench.committed()==bench.ends(), seconds=90, what="committed")
        bench.account(twice=True)
        for m in members.values():
            if m.process.poll() is None: c=m.end(signal.SIGTERM); assert c==0 or (c==-15 and not m.text()), m.text()
        txt="\n".join(m.text() for m in members.values())
        print(len(bench.good), len(members), "errors:", [l for l in txt.splitlines() if "ERROR" in l or "CRITICAL" in l or "Traceback" in l][:10])
