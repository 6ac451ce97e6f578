"""features against the golden files of three dictionary layouts (docs/specification.md, 17): PROGRAM SHARED."""
import json
import subprocess
import sys

S = sys.argv[2]
def close(g,w,scale): return (g is None and w is None) or (g is not None and w is not None and abs(g-w)<=2e-4*max(scale,1e-9))
bad=0
for name,i,o,f in (('features','scope/0-mlp-in-x1-k16','scope/0-mlp-out-x1-k16','0,1,2,3,4,5,6,7'),('features-saelens','saelens/mlp-in','saelens/mlp-out','0,1,2,3'),('features-plain','plain/mlp-in.npy','plain/mlp-out.safetensors:encoder','0,1,2,3')):
    D=S+'/dictionaries/ts-1-256/'
    r=subprocess.run([sys.argv[1],'features',S+'/models/ts-1-256','--in',D+i,'--out',D+o,'--features',f,'--corpus',S+'/corpus/valid.txt','--stories','64','--format','json'],capture_output=True,text=True)
    if r.returncode: print(r.stderr); sys.exit(1)
    g=json.loads(r.stdout); w=json.load(open(f'{S}/golden/ts-1-256.{name}.json'))
    for k in ('in_features','out_features','positions','layer'): 
        if g[k]!=w[k]: print(name,k,g[k],w[k]); bad+=1
    for a,b in zip(g['features'],w['features']):
        sc=max(abs(x) for x in b['eigenvalues'])
        if max(abs(x-y) for x,y in zip(a['eigenvalues'],b['eigenvalues']))>1e-4*sc: print('eig',a['feature']); bad+=1
        for k in ('constant','shift','offset'):
            if not close(a[k],b[k],max(sc,abs(b[k]))): print(name,k,a[k],b[k]); bad+=1
        for k in ('self','pairs','linear'):
            if (a[k] is None)!=(b[k] is None): print(name,k,'null'); bad+=1; continue
            if a[k] is None: continue
            for side in ('top','bottom'):
                m=max([abs(x[-1]) for x in b[k]['top']+b[k]['bottom']])
                for x,y in zip(a[k][side],b[k][side]):
                    if x[:-1]!=y[:-1] or not close(x[-1],y[-1],m): print(name,a['feature'],k,side,x,y); bad+=1
        if a['active']!=b['active']: print('active',a['active'],b['active']); bad+=1
        for x,y in zip(a['rank_correlation'],b['rank_correlation']):
            for k in y:
                if not close(x[k],y[k],1): print(name,a['feature'],k,x[k],y[k]); bad+=1
print(bad, 'differences')
sys.exit(bad > 0)
