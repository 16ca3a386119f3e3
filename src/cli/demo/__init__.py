"""`cryptoproxy demo`: the whole road on throwaway engines, with a stand-in upstream.

| module | tells |
|---|---|
| ``command`` | the command, from start to verdict |
| ``stage`` | engines, sandbox, poller and indexer: started, stopped |
| ``tally`` | what each stage has, counted where it lies |
| ``view`` | what a person sees meanwhile |
"""
